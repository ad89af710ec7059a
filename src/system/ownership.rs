//! The users besides this one that could change a file or what is in a folder.

use std::{
    fs::{self, Metadata},
    io,
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{StatVfsMountFlags, fstatfs, fstatvfs, statvfs},
    process::geteuid,
};

use super::namespace::stands_for_others;

/// The way in which somebody else could write a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// It belongs to somebody else.
    #[error("belongs to user {0}")]
    Owner(u32),
    /// Others may write it.
    #[error("can be written by others (mode {0:04o})")]
    Mode(u32),
}

/// The way in which anybody but this user and root could write a file, if there is one.
pub(crate) fn of_file(about: &Metadata) -> Option<Foreign> {
    let mode = about.mode() & 0o7777;
    if !is_ours(about) {
        Some(Foreign::Owner(about.uid()))
    } else if mode & ALL_WRITE != 0 || (mode & GROUP_WRITES != 0 && !is_of_one(about)) {
        Some(Foreign::Mode(mode))
    } else {
        None
    }
}

/// The way in which somebody else could replace files in a folder, if there is one. In a sticky
/// folder, such as /tmp, users can move only their own files.
pub(crate) fn of_folder(folder: &Path) -> io::Result<Option<Foreign>> {
    if is_read_only_at(folder) {
        return Ok(None);
    }
    let about = folder.metadata()?;
    Ok(of_file(&about)
        .filter(|foreign| matches!(foreign, Foreign::Owner(_)) || about.mode() & STICKY == 0))
}

/// A folder, `folder` or one on the way to it, in which somebody else could put another file or
/// folder in the place of what is there, and how; or a link on the way that could be led elsewhere.
/// A group that may write in one further up, as in /var/log on Ubuntu, is the administrator's choice.
pub(crate) fn of_way_to(folder: &Path) -> io::Result<Option<(PathBuf, Foreign)>> {
    match of_folder(folder)? {
        Some(foreign) => Ok(Some((folder.to_owned(), foreign))),
        None => of_steps_to(folder),
    }
}

/// Like [`of_way_to`], where the group may write to `folder` itself as well.
pub(crate) fn of_steps_to(folder: &Path) -> io::Result<Option<(PathBuf, Foreign)>> {
    // What is named may be a link itself; what it leads to was looked at.
    let (named, real) = (std::path::absolute(folder)?, folder.canonicalize()?);
    let others = real.ancestors().skip(1);
    let others = others.filter(|step| !named.starts_with(step));
    for step in named.ancestors().chain(others) {
        if let Some(foreign) = of_step(step)? {
            return Ok(Some((step.to_owned(), foreign)));
        }
    }
    Ok(None)
}

/// The way in which somebody else could change where a path leads that goes through this folder or
/// link, if there is one.
fn of_step(path: &Path) -> io::Result<Option<Foreign>> {
    if is_read_only_at(path) {
        return Ok(None);
    }
    let about = path.symlink_metadata()?;
    let mode = about.mode() & 0o7777;
    let is_open = !about.is_symlink() && mode & ALL_WRITE != 0 && mode & STICKY == 0;
    // In a container without root it may be root's.
    if !is_ours(&about) && !stands_for_others(about.uid()) {
        Ok(Some(Foreign::Owner(about.uid())))
    } else {
        Ok(is_open.then_some(Foreign::Mode(mode)))
    }
}

/// Returns whether anybody may put a file of their own into a folder, sticky or not.
pub(crate) fn is_shared(folder: &Path) -> bool {
    folder
        .metadata()
        .is_ok_and(|about| about.mode() & ALL_WRITE != 0)
}

/// Returns whether a file belongs to this user or root. As in Git's `safe.directory`, root also
/// trusts the user who called `sudo`.
pub(crate) fn is_ours(about: &Metadata) -> bool {
    let me = geteuid().as_raw();
    let caller = || std::env::var("SUDO_UID").ok()?.parse().ok();
    about.uid() == me || about.uid() == 0 || (me == 0 && caller() == Some(about.uid()))
}

/// Returns whether the owner of a file is alone in its group. Where each user has such a group, as
/// on Ubuntu and Fedora, it can write all files that they create.
fn is_of_one(about: &Metadata) -> bool {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    about.uid() != 0
        && about.uid() == about.gid()
        && is_alone(
            about.uid(),
            &read("/etc/group"),
            &read("/etc/passwd"),
            &read("/etc/nsswitch.conf"),
        )
}

/// Returns whether nobody else is in the group whose number is that of the user `id`: neither as one
/// of its members, nor by having it as their own group. Where users or groups come from elsewhere,
/// too, such as a directory, nobody can say.
fn is_alone(id: u32, groups: &str, users: &str, sources: &str) -> bool {
    let number = |field: Option<&str>| field.and_then(|text| text.parse::<u32>().ok()) == Some(id);
    let is_private = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next().unwrap_or_default();
        let is_it = number(fields.nth(1));
        let members = fields.next();
        is_it && members.is_some_and(|members| members.is_empty() || members == name)
    };
    // group(5): several lines may have its number.
    let its_lines = groups.lines();
    let its_lines: Vec<_> = its_lines
        .filter(|line| number(line.split(':').nth(2)))
        .collect();
    // passwd(5): the name, its password, the user, the group.
    let mut having_it = users.lines().filter(|line| number(line.split(':').nth(3)));
    !its_lines.is_empty()
        && its_lines.into_iter().all(is_private)
        && having_it.all(|line| number(line.split(':').nth(2)))
        && are_all_here(groups, users, sources)
}

/// Returns whether all users and groups are in files of this machine (nsswitch.conf(5)).
fn are_all_here(groups: &str, users: &str, sources: &str) -> bool {
    // NIS, in the format of old.
    let mut lines = groups.lines().chain(users.lines());
    if lines.any(|line| line.starts_with('+')) {
        return false;
    }
    let bases = ["passwd", "group", "initgroups"];
    let mut lines = sources.lines().filter_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let (base, from) = line.split_once(':')?;
        bases.contains(&base.trim()).then_some(from)
    });
    lines.all(|from| {
        // What to do if one has no answer is in brackets.
        let mut words = from
            .split_whitespace()
            .filter(|word| !word.starts_with('['));
        words.all(|word| word.ends_with(']') || HERE.contains(&word))
    })
}

/// Sources of users and groups that are files of this machine, or made up by systemd for services.
const HERE: [&str; 5] = ["files", "compat", "systemd", "altfiles", "extrausers"];

/// Returns whether nobody here can write a file, whatever its mode, as in a container that it is
/// mounted into.
pub(crate) fn is_read_only(file: impl AsFd) -> bool {
    fstatvfs(file).is_ok_and(|about| about.f_flag.contains(StatVfsMountFlags::RDONLY))
}

fn is_read_only_at(folder: &Path) -> bool {
    statvfs(folder).is_ok_and(|about| about.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Returns whether the file system has modes that the owner of a file can change.
pub(crate) fn has_modes(file: impl AsFd) -> bool {
    let is_foreign = fstatfs(file).is_ok_and(|about| {
        // Their magic numbers have 32 bits, however wide the field is.
        FOREIGN.contains(&(about.f_type as u32))
    });
    !is_foreign
}

/// File systems that often have no modes of their own: 9p (drives of Windows under WSL), FUSE,
/// SMB, CIFS, FAT, exFAT, NTFS (statfs(2)).
const FOREIGN: [u32; 8] = [
    0x0102_1997,
    0x6573_5546,
    0xfe53_4d42,
    0xff53_4d42,
    0x4d44,
    0x2011_bab0,
    0x5346_544e,
    0x7366_746e,
];

const GROUP_WRITES: u32 = 0o020;
const ALL_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const GROUPS: &str = "root:x:0:\nana:x:1000:\nben:x:1001:ben\ncat:x:1002:ana\n";
    const USERS: &str = "root:x:0:0::/root:\nana:x:1000:1000::/:\nben:x:1001:1001::/:\n";

    #[test_case(1000, true; "without a member")]
    #[test_case(1001, true; "with itself as a member")]
    #[test_case(1002, false; "with another member")]
    #[test_case(1003, false; "unknown")]
    fn a_group_is_private_by_its_members(id: u32, is_it: bool) {
        assert_eq!(is_alone(id, GROUPS, USERS, ""), is_it);
    }

    #[test]
    fn a_group_that_is_another_users_own_is_not_private() {
        for (line, is_it) in [
            ("eve:x:1005:1000::/:", false),
            ("eve:x:1005:1005::/:", true),
            ("ana2:x:1000:1000::/:", true),
        ] {
            let users = format!("{USERS}{line}\n");
            assert_eq!(is_alone(1000, GROUPS, &users, ""), is_it, "{line}");
        }
        let groups = format!("{GROUPS}again:x:1000:eve\n");
        assert!(!is_alone(1000, &groups, USERS, ""));
    }

    #[test_case("passwd: files\ngroup: files\n", true; "files")]
    #[test_case("passwd: files systemd # sss\ngroup: files [SUCCESS=merge] systemd\n", true; "systemd")]
    #[test_case("hosts: files ldap\nnetgroup: nis\n", true; "hosts")]
    #[test_case("passwd: files sss\n", false; "users of sssd")]
    #[test_case("passwd: files\n group :ldap files\n", false; "groups of a directory")]
    #[test_case("initgroups: files [NOTFOUND=continue] winbind\n", false; "groups of a domain")]
    fn where_groups_come_from_elsewhere_none_is_known_to_be_private(sources: &str, is_it: bool) {
        assert_eq!(is_alone(1000, GROUPS, USERS, sources), is_it);
    }

    #[test]
    fn where_nis_is_added_none_is_known_to_be_private() {
        assert!(!is_alone(1000, GROUPS, &format!("{USERS}+::::::\n"), ""));
        assert!(!is_alone(1000, &format!("{GROUPS}+:::\n"), USERS, ""));
    }
}
