//! Users of the machine.

/// The user, and the group, of the least rights, by convention.
pub(crate) const NOBODY: u32 = 65534;
