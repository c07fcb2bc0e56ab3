//! Another node's capture: the stream of a command, which a process of its own starts anew when it ends.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use std::os::unix::process::CommandExt as _;

use crate::capture::CaptureError;
use crate::capture::live::feed::{Inlet, Kind, Run};
use crate::capture::live::{Notice, Tell};
use crate::capture::naming::printable;

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
    /// The command ended: how, and what now.
    Ended(String),
}

impl Message {
    /// Writes the message to a pipe.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let (kind, bytes): (u8, &[u8]) = match self {
            Message::Begun => (0, &[]),
            Message::Bytes(bytes) => (1, bytes),
            Message::Ended(how) => (2, how.as_bytes()),
        };
        out.write_all(&[&[kind][..], &(bytes.len() as u32).to_ne_bytes()].concat())?;
        out.write_all(bytes)?;
        out.flush()
    }

    fn read(input: &mut dyn Read) -> io::Result<Message> {
        let mut head = [0; 5];
        input.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let length = u32::from_ne_bytes(length) as usize;
        if length > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; length];
        input.read_exact(&mut bytes)?;
        match kind {
            0 => Ok(Message::Begun),
            1 => Ok(Message::Bytes(bytes)),
            2 => Ok(Message::Ended(String::from_utf8_lossy(&bytes).into_owned())),
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

/// Keeps the command running until it is dropped.
#[derive(Debug)]
pub(super) struct Lifeline {
    _stdin: Option<ChildStdin>,
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
        Lifeline { _stdin: self.child.stdin.take() }
    }

    /// Hands on what the command writes until it is over.
    pub(super) fn run(mut self, inlet: &Inlet) {
        if let Some(mut output) = self.output.take() {
            while let Ok(message) = Message::read(&mut output) {
                if !self.take(message, inlet) {
                    break;
                }
            }
        }
        let _ = self.child.wait();
    }

    /// Gives whether anybody still reads.
    fn take(&mut self, message: Message, inlet: &Inlet) -> bool {
        match message {
            Message::Begun => self.tell(State::Begun),
            Message::Bytes(bytes) => {
                if !std::mem::replace(&mut self.is_flowing, true) {
                    self.tell(State::Flowing);
                }
                return inlet.force(Run { bytes: Arc::new(bytes), packets: 0, kind: Kind::Packets });
            }
            Message::Ended(how) => {
                self.is_flowing = false;
                self.tell(State::Ended(printable(&how)));
                return inlet.force(Run { bytes: Arc::default(), packets: 0, kind: Kind::Restart });
            }
        }
        true
    }

    fn tell(&self, state: State) {
        (self.tell)(Notice::Node { node: self.node.clone(), state });
    }
}

/// How a node's stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The command was started.
    Begun,
    /// It writes.
    Flowing,
    /// How it ended, and what now.
    Ended(String),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Begun => f.write_str("the command was started"),
            State::Flowing => f.write_str("the first bytes came"),
            State::Ended(how) => f.write_str(how),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_were_written() {
        let all = [Message::Begun, Message::Bytes(vec![7; 70_000]), Message::Ended("so".to_owned())];
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
