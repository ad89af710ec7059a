//! `[admin]`: where the process itself is asked how it is.

use std::{net::Ipv4Addr, path::Path};

use super::{
    guard::{self, LocalUsers},
    listen::Listen,
    problem::{Origin, Problems},
    reach::Reach,
    section::Section,
    value,
};

/// The admin listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// A loopback address, or a Unix socket.
    pub listen: Listen,
    /// Users of this machine that may ask besides the proxy's own and root.
    pub allow_users: LocalUsers,
    /// If true, the program does without it where another program has its address.
    pub is_optional: bool,
}

impl Admin {
    /// One that was asked for.
    pub fn at(listen: Listen) -> Self {
        Self {
            listen,
            allow_users: LocalUsers::default(),
            is_optional: false,
        }
    }

    /// Where the demo has it, and commands look for it if nothing else is said.
    pub fn usual() -> Self {
        Self::at(Listen::Tcp((Ipv4Addr::LOCALHOST, PORT).into()))
    }

    /// Reads an address such as `127.0.0.1:9180` or `unix:/run/admin.sock`; a path that is not
    /// absolute starts in the current folder.
    ///
    /// # Errors
    /// If it is not an address, or one that other machines reach.
    pub fn parse(text: &str) -> Result<Self, String> {
        local(text, Path::new("")).map(Self::at)
    }
}

/// Reads `[admin]`. Of an address that cannot be had, `problems` says why.
pub(super) fn read(mut section: Section<'_>, folder: &Path) -> (Option<Admin>, Origin) {
    let listen = section.read("listen", |address| {
        local(value::text(address)?, &value::folder(address, folder))
    });
    let origin = section.origin("listen");
    let allow_users = guard::users(&mut section);
    section.finish();
    let admin = listen.map(|listen| Admin {
        allow_users,
        ..Admin::at(listen)
    });
    (admin, origin)
}

/// Reports an address that is that of an org, too.
pub(super) fn check(admin: &Admin, origin: Origin, reaches: &[Reach], problems: &Problems) {
    let shared = reaches.iter().find_map(|reach| {
        let shared = reach.listen.iter().find(|it| it.collides(&admin.listen));
        shared.map(|listen| (reach, listen))
    });
    if let Some((reach, listen)) = shared {
        let message = format!(
            "{} is taken by org.{}, which listens on {listen}; give each a port or path of its own",
            admin.listen, reach.name
        );
        problems.add(origin, "admin.listen", message);
    }
}

fn local(text: &str, folder: &Path) -> Result<Listen, String> {
    let listen = Listen::parse(text, folder)?;
    if listen.is_https() {
        return Err(format!(
            "{listen} is for TLS, which the admin listener does not speak; remove https://"
        ));
    }
    if !listen.is_local() {
        return Err(format!(
            "{listen} is open to other machines, which the admin listener never is; use \
             \"127.0.0.1:{PORT}\", or a Unix socket such as \"unix:/run/orgproxy/admin.sock\""
        ));
    }
    Ok(listen)
}

/// Of [`Admin::usual`].
pub(crate) const PORT: u16 = 9180;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("127.0.0.1:9180", Ok("127.0.0.1:9180"))]
    #[test_case("localhost:0", Ok("localhost:0"))]
    #[test_case("[::1]:9180", Ok("[::1]:9180"))]
    #[test_case("http://127.9.9.9:1", Ok("127.9.9.9:1"))]
    #[test_case("unix:/run/a.sock", Ok("unix:/run/a.sock"))]
    #[test_case("0.0.0.0:9180", Err("open to other machines"))]
    #[test_case("[::]:9180", Err("open to other machines"))]
    #[test_case("192.0.2.1:9180", Err("open to other machines"))]
    #[test_case("https://127.0.0.1:9180", Err("remove https://"))]
    #[test_case("9180", Err("is not an address"))]
    fn is_for_this_machine_only(text: &str, expected: Result<&str, &str>) {
        match (Admin::parse(text), expected) {
            (Ok(admin), Ok(expected)) => assert_eq!(admin.listen.to_string(), expected),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            (other, _) => panic!("{other:?}"),
        }
    }
}
