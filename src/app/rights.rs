//! Rights: what is missing for a capture, and giving up what is not needed any more.
//!
//! Everything is opened first; then the program becomes an ordinary user's, without capabilities, without a way to
//! new ones, and, where the kernel has Landlock, without files beyond its own. Only then is a packet parsed.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Context as _;
use caps::{CapSet, Capability, CapsHashSet};
use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    path_beneath_rules,
};
use nix::unistd::{Gid, Uid, fchown, setgroups, setresgid, setresuid};

/// `nobody` and `nogroup` of Debian; the kernel's overflow ids.
const NOBODY: (u32, u32) = (65_534, 65_534);
/// What Landlock is asked for; a kernel that knows less does what it can.
const LANDLOCK: ABI = ABI::V5;

/// Who the program goes on as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct User {
    uid: Uid,
    gid: Gid,
}

/// What is needed after the rights are gone.
pub(super) struct Needs<'a> {
    /// Files are created and removed in it.
    pub(super) directory: Option<&'a Path>,
    /// A file that is open already and becomes the user's.
    pub(super) file: Option<&'a File>,
    /// A right that is not given up yet.
    pub(super) keeps: Option<Right>,
}

/// A right that work after the others are gone still needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    /// Interfaces that are yet to come will want handles of their own. The right for them stays with the threads that
    /// are started before [`give_up_capturing`].
    Capture,
    /// Of the process that traces, for as long as it lives.
    Trace,
}

impl Right {
    const fn capability(self) -> Capability {
        match self {
            Right::Capture => Capability::CAP_NET_RAW,
            Right::Trace => Capability::CAP_NET_ADMIN,
        }
    }
}

/// Whether this process may capture.
pub(super) fn may_capture() -> bool {
    caps::has_cap(None, CapSet::Effective, Capability::CAP_NET_RAW).unwrap_or(false)
}

/// One line for who may not.
pub(super) fn missing() -> String {
    let program = program();
    format!(
        "capturing needs the right CAP_NET_RAW, which this process lacks; run it with sudo, or grant it once with `sudo setcap cap_net_raw=ep {program}`; or try `hopline demo`"
    )
}

/// Whether the kernel can close the file system off; tried on a thread of its own, which ends with it.
pub(super) fn can_confine() -> bool {
    std::thread::spawn(|| confine(None).unwrap_or(false)).join().unwrap_or(false)
}

/// Gives up every right but the one that is still needed, for good. Threads that are started afterwards have none
/// either.
///
/// # Errors
/// When the system refuses: then nothing must be parsed.
pub(super) fn give_up(needs: &Needs<'_>) -> anyhow::Result<()> {
    if Uid::effective().is_root() {
        become_user(needs).context("the rights of root cannot be given up")?;
    }
    let kept: CapsHashSet = needs.keeps.map(Right::capability).into_iter().collect();
    for (set, kept) in [
        (CapSet::Ambient, &CapsHashSet::new()),
        (CapSet::Inheritable, &CapsHashSet::new()),
        (CapSet::Effective, &kept),
        (CapSet::Permitted, &kept),
    ] {
        caps::set(None, set, kept).context("capabilities cannot be given up")?;
    }
    nix::sys::prctl::set_no_new_privs().context("new privileges cannot be ruled out")?;
    confine(needs.directory).context("the file system cannot be closed off")?;
    Ok(())
}

/// One line for who may not trace.
pub(super) fn tracing_missing() -> String {
    format!(
        "tracing needs the right CAP_NET_ADMIN, which this process lacks; run it with sudo, or grant it once with `sudo setcap cap_net_raw,cap_net_admin=ep {}`; without --trace it goes on from packets alone",
        program()
    )
}

fn program() -> String {
    std::env::current_exe().map_or_else(|_| "hopline".to_owned(), |path| path.display().to_string())
}

/// Whether this process may trace.
pub(super) fn may_trace() -> bool {
    caps::has_cap(None, CapSet::Effective, Capability::CAP_NET_ADMIN).unwrap_or(false)
}

/// Gives up, for this thread and those that it starts, the last right that [`Needs`] may have kept.
///
/// # Errors
/// When the system refuses: then nothing must be parsed.
pub(super) fn give_up_capturing() -> anyhow::Result<()> {
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::clear(None, set).context("capabilities cannot be given up")?;
    }
    Ok(())
}

fn become_user(needs: &Needs<'_>) -> anyhow::Result<()> {
    let user = User::to_be(needs.directory)?;
    if let Some(file) = needs.file {
        // On a file system without owners the file stays root's.
        let _ = fchown(file.as_fd(), Some(user.uid), Some(user.gid));
    }
    // The bounding set goes first, while there is the right to change it.
    for capability in caps::all() {
        // One that this kernel does not have.
        let _ = caps::drop(None, CapSet::Bounding, capability);
    }
    // Else the change of user would take all of them away.
    nix::sys::prctl::set_keepcaps(needs.keeps.is_some())?;
    setgroups(&[])?;
    setresgid(user.gid, user.gid, user.gid)?;
    setresuid(user.uid, user.uid, user.uid)?;
    Ok(())
}

impl User {
    /// The user who called sudo, or nobody; where files are to be created, their directory's owner.
    fn to_be(directory: Option<&Path>) -> anyhow::Result<User> {
        if let Some(directory) = directory {
            let owner = std::fs::metadata(directory)
                .with_context(|| format!("--write: {} cannot be looked at", directory.display()))?;
            return Ok(User { uid: Uid::from_raw(owner.uid()), gid: Gid::from_raw(owner.gid()) });
        }
        let nobody = User { uid: Uid::from_raw(NOBODY.0), gid: Gid::from_raw(NOBODY.1) };
        Ok(User::caller().unwrap_or(nobody))
    }

    /// Who called sudo, unless that was root.
    fn caller() -> Option<User> {
        let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
        let (uid, gid) = number("SUDO_UID").zip(number("SUDO_GID")).filter(|&(uid, _)| uid != 0)?;
        Some(User { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid) })
    }
}

/// Keeps no more than the right to create files in `directory`, whoever owns it.
///
/// # Errors
/// When the system refuses.
pub(super) fn keep_files_only(directory: &Path) -> anyhow::Result<()> {
    keep(&[Capability::CAP_DAC_OVERRIDE, Capability::CAP_CHOWN])?;
    confine(Some(directory)).context("the file system cannot be closed off")?;
    Ok(())
}

/// Keeps no more than the right to read files, whoever owns them, where it is there.
///
/// # Errors
/// When the system refuses.
pub(super) fn keep_reading_only() -> anyhow::Result<()> {
    keep(&[Capability::CAP_DAC_READ_SEARCH])
}

/// Keeps those of `capabilities` that are there, and lets no program that is started have others.
fn keep(capabilities: &[Capability]) -> anyhow::Result<()> {
    let kept = capabilities.iter().copied().collect();
    let has = caps::read(None, CapSet::Permitted).context("capabilities are not told")?;
    for set in [CapSet::Ambient, CapSet::Inheritable] {
        caps::clear(None, set).context("capabilities cannot be given up")?;
    }
    let kept: caps::CapsHashSet = has.intersection(&kept).copied().collect();
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, &kept).context("capabilities cannot be given up")?;
    }
    nix::sys::prctl::set_no_new_privs().context("new privileges cannot be ruled out")
}

/// Makes a new file the user's who called sudo.
pub(super) fn give_to_caller(file: &File) {
    if let Some(user) = User::caller() {
        // On a file system without owners the file stays root's.
        let _ = fchown(file.as_fd(), Some(user.uid), Some(user.gid));
    }
}

/// Closes the file system off, but for `directory`; reading stays possible where it is harmless.
fn confine(directory: Option<&Path>) -> anyhow::Result<bool> {
    let all = AccessFs::from_all(LANDLOCK);
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .create()?
        .add_rules(path_beneath_rules(directory, all))?;
    Ok(ruleset.restrict_self()?.ruleset != RulesetStatus::NotEnforced)
}
