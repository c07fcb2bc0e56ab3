//! Another node's capture: the stream of a command, which a process of its own starts anew when it ends.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use std::os::unix::process::CommandExt as _;

use crate::capture::CaptureError;
use crate::capture::live::Tell;
use crate::capture::live::feed::{Inlet, Kind, Run};
use crate::capture::naming::printable;
use crate::capture::pipe::read_sized;
use crate::model::{Notice, StreamState};

/// A longer message is none.
const LONGEST: usize = 1 << 20;
/// Runs on their way; a command that is faster has to wait.
pub(super) const IN_FLIGHT: usize = 64;

/// A node and the command that captures there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSpec {
    pub node: String,
    /// For `sh -c`; it writes pcap or pcapng on its standard output.
    pub command: String,
}

/// What the process that runs the command tells: a kind, a length, and so many bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The command was started.
    Begun,
    Bytes(Vec<u8>),
    /// The command ended: why, and in how many seconds it is started anew.
    Ended {
        why: String,
        again_s: u32,
    },
}

impl Message {
    /// Writes the message to a pipe.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let ended;
        let (kind, bytes): (u8, &[u8]) = match self {
            Message::Begun => (0, &[]),
            Message::Bytes(bytes) => (1, bytes),
            Message::Ended { why, again_s } => {
                ended = [&again_s.to_ne_bytes()[..], why.as_bytes()].concat();
                (2, &ended)
            }
        };
        out.write_all(&[&[kind][..], &(bytes.len() as u32).to_ne_bytes()].concat())?;
        out.write_all(bytes)?;
        out.flush()
    }

    fn read(input: &mut dyn Read) -> io::Result<Message> {
        let mut head = [0; 5];
        input.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let bytes = read_sized(input, length, LONGEST)?;
        match kind {
            0 => Ok(Message::Begun),
            1 => Ok(Message::Bytes(bytes)),
            2 => {
                let (again, why) = bytes.split_first_chunk().ok_or(io::ErrorKind::InvalidData)?;
                let why = String::from_utf8_lossy(why).into_owned();
                Ok(Message::Ended { why, again_s: u32::from_ne_bytes(*again) })
            }
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// A command that was started.
pub(super) struct Remote {
    pub(super) node: String,
    child: Child,
    output: Option<ChildStdout>,
    is_flowing: bool,
    tell: Tell,
}

/// Keeps a process running that ends with its standard input, until it is dropped.
#[derive(Debug)]
pub(super) struct Lifeline {
    _stdin: Option<ChildStdin>,
}

impl Lifeline {
    pub(super) fn of(child: &mut Child) -> Lifeline {
        Lifeline { _stdin: child.stdin.take() }
    }
}

impl Remote {
    /// Starts the process that runs the command: this very program, while it still may.
    pub(super) fn start(spec: &RemoteSpec, program: &Path, tell: Tell) -> Result<Remote, CaptureError> {
        let mut command = Command::new(program);
        // Of a process group of its own: a key that ends the program ends it in order.
        command.args(["node", &spec.command]).process_group(0);
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = started.map_err(|cause| CaptureError::Remote { node: spec.node.clone(), cause })?;
        let output = child.stdout.take();
        Ok(Remote { node: spec.node.clone(), child, output, is_flowing: false, tell })
    }

    /// What the command lives as long as.
    pub(super) fn lifeline(&mut self) -> Lifeline {
        Lifeline::of(&mut self.child)
    }

    /// Hands on what the command writes until it is over.
    pub(super) fn run(mut self, inlet: &Inlet, stop: &AtomicBool) {
        if let Some(mut output) = self.output.take() {
            while let Ok(message) = Message::read(&mut output) {
                if !self.take(message, inlet) {
                    break;
                }
            }
        }
        let status = self.child.wait();
        if !stop.load(Ordering::Relaxed) {
            let why = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            self.tell(StreamState::Ended { why, again_s: None });
        }
    }

    /// Gives whether anybody still reads.
    fn take(&mut self, message: Message, inlet: &Inlet) -> bool {
        match message {
            Message::Begun => self.tell(StreamState::Begun),
            Message::Bytes(bytes) => {
                if !std::mem::replace(&mut self.is_flowing, true) {
                    self.tell(StreamState::Flowing);
                }
                return inlet.force(Run { bytes: Arc::new(bytes), packets: 0, kind: Kind::Packets });
            }
            Message::Ended { why, again_s } => {
                self.is_flowing = false;
                let again_s = Some(u64::from(again_s));
                self.tell(StreamState::Ended { why: printable(&why), again_s });
                return inlet.force(Run { bytes: Arc::default(), packets: 0, kind: Kind::Restart });
            }
        }
        true
    }

    fn tell(&self, state: StreamState) {
        (self.tell)(Notice::Node { node: self.node.clone(), state });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_were_written() {
        let all = [
            Message::Begun,
            Message::Bytes(vec![7; 70_000]),
            Message::Ended { why: "so".to_owned(), again_s: 3 },
        ];
        let mut bytes = Vec::new();
        for message in &all {
            message.write(&mut bytes).expect("memory");
        }
        let mut input = bytes.as_slice();
        for message in &all {
            assert_eq!(Message::read(&mut input).as_ref().ok(), Some(message));
        }
        assert!(Message::read(&mut input).is_err());
        assert!(Message::read(&mut &[1, 255, 255, 255, 255][..]).is_err());
    }
}
