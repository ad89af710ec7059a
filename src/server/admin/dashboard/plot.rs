//! Paths of small plots, in the coordinates of an SVG that is as wide as it has bins.
//!
//! They are drawn by hand: a page in two colour schemes and any width needs shapes that its style
//! sheet colours and stretches, while plotting libraries write colours and sizes of their own, and
//! text that shrinks with them.

use std::fmt::Write;

/// The height of a plot. Its bottom is at this y.
pub(super) const HEIGHT: f64 = 100.0;

/// Columns, each a share of the height, from the bottom.
pub(super) fn columns(shares: impl Iterator<Item = f64>) -> String {
    let mut path = String::new();
    for (x, share) in shares.enumerate() {
        if share > 0.0 {
            // As wide as a bin but for a gap.
            let y = y(share);
            let _ = write!(path, "M{x}.1 {HEIGHT}V{y:.1}h.8V{HEIGHT}z");
        }
    }
    path
}

/// A line in steps. Where there is no value, it has a gap.
pub(super) fn steps(shares: impl Iterator<Item = Option<f64>>) -> String {
    let mut path = String::new();
    let mut is_drawn = false;
    for (x, share) in shares.enumerate() {
        if let Some(share) = share {
            let y = y(share);
            let _ = if is_drawn {
                write!(path, "V{y:.1}h1")
            } else {
                write!(path, "M{x} {y:.1}h1")
            };
        }
        is_drawn = share.is_some();
    }
    path
}

/// SVG counts from the top.
fn y(share: f64) -> f64 {
    HEIGHT - share.clamp(0.0, 1.0) * HEIGHT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_on_the_bottom() {
        let path = columns([0.0, 0.5, 7.0].into_iter());
        assert_eq!(path, "M1.1 100V50.0h.8V100zM2.1 100V0.0h.8V100z");
    }

    #[test]
    fn a_line_has_gaps_where_nothing_is_known() {
        let path = steps([Some(0.5), Some(1.0), None, Some(0.0)].into_iter());
        assert_eq!(path, "M0 50.0h1V0.0h1M3 100.0h1");
    }
}
