//! Names from a cluster's own records, by the Kubernetes API: listed once, or watched while packets are captured.
//!
//! What talks to the API is built with the feature `kubernetes`; without it there is no [`Cluster`].

#[cfg(not(feature = "kubernetes"))]
mod absent;
#[cfg(feature = "kubernetes")]
mod api;

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use crate::capture::pipe::read_sized;
use crate::model::Names;

#[cfg(not(feature = "kubernetes"))]
pub use absent::Cluster;
#[cfg(feature = "kubernetes")]
pub use api::Cluster;

/// A longer message is none: all names that are kept are a fraction of it.
const LONGEST: usize = 64 << 20;

/// What is told of a cluster that is watched. Between processes it goes as a length and so many bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// First of all: where the API is, by its configuration.
    Found { server: String },
    /// First of all: why there is nothing to watch, in one line.
    Refused(String),
    /// Names that are new; the first are those of the whole list.
    Names(Names),
    /// Kinds of objects that cannot be listed or watched at present, and why.
    Failed { what: Vec<String>, why: String },
    /// All that failed is watched again.
    Again,
}

impl Told {
    /// Writes the message to a pipe.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let bytes = postcard::to_stdvec(self).map_err(io::Error::other)?;
        out.write_all(&(bytes.len() as u32).to_ne_bytes())?;
        out.write_all(&bytes)?;
        out.flush()
    }

    /// Reads the next message of a pipe.
    pub fn read(input: &mut dyn Read) -> io::Result<Told> {
        let mut length = [0; 4];
        input.read_exact(&mut length)?;
        let bytes = read_sized(input, length, LONGEST)?;
        postcard::from_bytes(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn messages_are_read_as_they_were_written() {
        let mut names = Names::default();
        names.service("10.43.7.9".parse().expect("an address"), "shop/mix");
        names.tenant("fd00::33".parse().expect("an address"), Timestamp(7), "shop/web");
        let all = [
            Told::Found { server: "https://10.0.0.1:6443".to_owned() },
            Told::Refused("no".to_owned()),
            Told::Names(names),
            Told::Failed { what: vec!["pods".to_owned()], why: "so".to_owned() },
            Told::Again,
        ];
        let mut bytes = Vec::new();
        for told in &all {
            told.write(&mut bytes).expect("memory");
        }
        let mut input = bytes.as_slice();
        for told in &all {
            assert_eq!(Told::read(&mut input).as_ref().ok(), Some(told));
        }
        for other in [&[][..], &[1, 0, 0, 0], &[1, 0, 0, 0, 99], &[255; 9]] {
            assert!(Told::read(&mut &*other).is_err(), "{other:?}");
        }
    }
}
