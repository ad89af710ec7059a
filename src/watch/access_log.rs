//! One line per request.

use super::Record;

pub(super) struct AccessLog;
