//! From nothing to a working org: making what a login needs, and finding out what is wrong with it.

pub(crate) mod doctor;
pub(crate) mod init;
