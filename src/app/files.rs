//! Files that are created while the screen is up: recordings and pictures.
//!
//! A live capture has given up its rights and has no files any more. So a process of its own, this program again
//! (`hopline files`), is started before: it keeps the right to create files in one directory, parses nothing but a
//! name, and hands each new file over by its descriptor (`SCM_RIGHTS`, unix(7)). It never opens a file that is there.
//! Where the program is gone without a word, as by SIGKILL, that process also gives the terminal back.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg, send, sendmsg, socketpair,
};

use crate::app::restore::Saved;
use crate::app::rights;

/// NAME_MAX of linux/limits.h.
const LONGEST_NAME: usize = 255;
/// The error number of an answer, 0 where a file comes with it.
const ANSWER: usize = size_of::<i32>();

/// What the process says first.
const READY: &[u8] = b"!";
/// The program ends in order; no file is called so.
const FAREWELL: &[u8] = b"/";

/// Creates files in one directory.
pub(super) struct Files {
    directory: PathBuf,
    helper: Option<Helper>,
}

/// The process that may create files, and the way to it. The process ends when the way does.
struct Helper {
    socket: Option<OwnedFd>,
    child: Child,
}

impl Drop for Helper {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.take() {
            // Where the process is gone already there is nothing to say.
            let _ = send(&socket, FAREWELL, SendFlags::NOSIGNAL);
        }
        let _ = self.child.wait();
    }
}

impl Files {
    /// Creates files where the program was started, by itself.
    pub(super) fn here() -> Files {
        Files { directory: PathBuf::new(), helper: None }
    }

    /// Creates files in `directory`, also after this process has given up its rights.
    ///
    /// # Errors
    /// When there is no such directory, or the process cannot be started.
    pub(super) fn kept(directory: &Path) -> anyhow::Result<Files> {
        let metadata = std::fs::metadata(directory);
        if !metadata.with_context(|| format!("--write-dir {}", directory.display()))?.is_dir() {
            anyhow::bail!("--write-dir {} is no directory", directory.display());
        }
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(io::Error::from)?;
        let mut command = Command::new(std::env::current_exe().context("this program is not found")?);
        command.arg("files").arg(directory).stdin(Stdio::from(theirs));
        // Of a process group of its own: a key that ends the program ends it in order.
        let child = command.process_group(0).spawn().context("hopline files cannot be started")?;
        // It has to look at the terminal before that is taken.
        if recv(&ours, &mut [0; 1], RecvFlags::empty()).map_err(io::Error::from)?.0 == 0 {
            anyhow::bail!("hopline files ended at once");
        }
        // Where it was started needs no name.
        let directory = directory.strip_prefix(".").unwrap_or(directory).to_owned();
        Ok(Files { directory, helper: Some(Helper { socket: Some(ours), child }) })
    }

    /// A new file called `name`, and how to call it in full.
    ///
    /// # Errors
    /// When the name is none, there is such a file, or it cannot be created.
    pub(super) fn create(&self, name: &str) -> io::Result<(PathBuf, File)> {
        check(OsStr::new(name))?;
        let path = self.directory.join(name);
        let file = match self.helper.as_ref().and_then(|helper| helper.socket.as_ref()) {
            Some(socket) => ask(socket.as_fd(), name)?,
            None => create(&path)?,
        };
        Ok((path, file))
    }
}

/// A name of a file in the directory, and of no other place.
fn check(name: &OsStr) -> io::Result<()> {
    let bytes = name.as_bytes();
    let is_plain = !bytes.is_empty()
        && bytes.len() <= LONGEST_NAME
        && bytes[0] != b'.'
        && !bytes.iter().any(|&byte| byte == b'/' || byte.is_ascii_control());
    let what = "a file's name alone, without a directory and not beginning with a dot";
    if is_plain { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, what)) }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Has the other process create a file.
fn ask(socket: BorrowedFd<'_>, name: &str) -> io::Result<File> {
    send(socket, name.as_bytes(), SendFlags::NOSIGNAL)?;
    let mut answer = [0; ANSWER];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(socket, &mut [IoSliceMut::new(&mut answer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes != ANSWER {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let file = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    match (i32::from_ne_bytes(answer), file) {
        (0, Some(file)) => Ok(File::from(file)),
        (0, None) => Err(io::ErrorKind::InvalidData.into()),
        (error, _) => Err(io::Error::from_raw_os_error(error)),
    }
}

/// `hopline files DIRECTORY`: creates files for the process at the other end of standard input until it ends.
///
/// # Errors
/// When the directory cannot be entered, or what is not needed cannot be given up.
pub(super) fn serve(directory: &Path) -> anyhow::Result<()> {
    std::env::set_current_dir(directory).with_context(|| format!("{}", directory.display()))?;
    let terminal = Saved::now();
    rights::keep_files_only(Path::new("."))?;
    let stdin = io::stdin();
    send(stdin.as_fd(), READY, SendFlags::NOSIGNAL).map_err(io::Error::from)?;
    let mut name = [0; LONGEST_NAME + 1];
    loop {
        let mut none = RecvAncillaryBuffer::default();
        let mut into = [IoSliceMut::new(&mut name)];
        let length = match recvmsg(stdin.as_fd(), &mut into, &mut none, RecvFlags::empty()) {
            Ok(received) => received.bytes,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(io::Error::from(error).into()),
        };
        let name = match &name[..length] {
            FAREWELL => return Ok(()),
            b"" => {
                terminal.restore();
                return Ok(());
            }
            name => OsStr::from_bytes(name),
        };
        let created = check(name).and_then(|()| create(Path::new(name)));
        answer(stdin.as_fd(), &created)?;
    }
}

fn answer(socket: BorrowedFd<'_>, created: &io::Result<File>) -> io::Result<()> {
    let number = match created {
        Ok(file) => {
            rights::give_to_caller(file);
            0
        }
        Err(error) => error.raw_os_error().unwrap_or(rustix::io::Errno::INVAL.raw_os_error()),
    };
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = [created.as_ref().map_or(socket, AsFd::as_fd)];
    if created.is_ok() {
        control.push(SendAncillaryMessage::ScmRights(&files));
    }
    sendmsg(socket, &[IoSlice::new(&number.to_ne_bytes())], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_name_is_taken() {
        for name in ["", ".", "..", ".profile", "a/b", "/etc/passwd", "a\nb", "\u{1b}[2J", &"x".repeat(256)] {
            assert!(check(OsStr::new(name)).is_err(), "{name:?}");
        }
        for name in ["kappa1.pcapng", "录制.pcapng", "a b"] {
            assert!(check(OsStr::new(name)).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn a_file_that_is_there_is_never_opened() {
        let directory = tempfile::tempdir().expect("a directory");
        let files = Files { directory: directory.path().to_owned(), helper: None };
        assert!(files.create("one").is_ok());
        assert_eq!(
            files.create("one").map_err(|error| error.kind()).err(),
            Some(io::ErrorKind::AlreadyExists)
        );
    }

    #[test]
    fn a_file_comes_over_a_socket() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("one");
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .expect("sockets");
        answer(theirs.as_fd(), &create(&path)).expect("an answer");
        io::Write::write_all(&mut ask(ours.as_fd(), "one").expect("a file"), b"here").expect("written");
        assert_eq!(std::fs::read(&path).expect("a file"), b"here");
        answer(theirs.as_fd(), &create(&path)).expect("an answer");
        let again = ask(ours.as_fd(), "one").map_err(|error| error.kind()).err();
        assert_eq!(again, Some(io::ErrorKind::AlreadyExists));
    }
}
