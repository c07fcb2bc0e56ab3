//! Messages between processes: what comes through a pipe has its length in front.

use std::io::{self, Read};

/// Reads as many bytes as `length` says, in the machine's own order.
///
/// # Errors
/// When the pipe ends before, or they would be more than `longest`, which no message is.
pub(super) fn read_sized(input: &mut dyn Read, length: [u8; 4], longest: usize) -> io::Result<Vec<u8>> {
    let length = u32::from_ne_bytes(length) as usize;
    if length > longest {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}
