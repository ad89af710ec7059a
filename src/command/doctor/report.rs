//! The findings: as data, as lines for people, as JSON for machines.

use anstyle::Style;
use serde::Serialize;

use crate::system::{
    escape,
    terminal::{self, BAD, DOUBTFUL, FAINT, GOOD, STRONG},
};

/// The finding of one check. Much of it is in other people's words, so only what is safe to print
/// gets in ([`escape`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// Stable, in snake case.
    name: &'static str,
    outcome: Outcome,
    #[serde(rename = "message")]
    says: String,
    /// The reason, and what to do, a line each.
    advice: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Passed,
    Warning,
    Failed,
    /// It could not be checked, or there is nothing to check.
    Skipped,
}

impl Check {
    pub(super) fn passed(name: &'static str, says: impl Into<String>) -> Self {
        Self::new(name, Outcome::Passed, says)
    }

    pub(super) fn warning(name: &'static str, says: impl Into<String>) -> Self {
        Self::new(name, Outcome::Warning, says)
    }

    pub(super) fn failed(name: &'static str, says: impl Into<String>) -> Self {
        Self::new(name, Outcome::Failed, says)
    }

    pub(super) fn skipped(name: &'static str, says: impl Into<String>) -> Self {
        Self::new(name, Outcome::Skipped, says)
    }

    /// The same, as one of `user`.
    pub(super) fn of_user(self, user: &str) -> Self {
        let says = format!("{user}: {}", self.says);
        Self {
            says: escape::line(&says).into_owned(),
            name: "user",
            ..self
        }
    }

    /// The same, with another line of advice.
    pub(super) fn advise(mut self, line: impl AsRef<str>) -> Self {
        let advice = self.advice.get_or_insert_default();
        if !advice.is_empty() {
            advice.push('\n');
        }
        advice.push_str(&escape::line(line.as_ref()));
        self
    }

    fn new(name: &'static str, outcome: Outcome, says: impl Into<String>) -> Self {
        Self {
            name,
            outcome,
            says: escape::line(&says.into()).into_owned(),
            advice: None,
        }
    }

    /// For people: a mark, the name and the finding, and the advice indented below.
    fn text(&self) -> String {
        let title = self.name.replace('_', " ");
        let (mark, style) = self.outcome.mark();
        let lines = terminal::wrap(&format!("{title}: {}", self.says), 2);
        // The mark goes where the first line's blanks are.
        let line = lines.get(1..).unwrap_or_default();
        let mut text = format!("{}{line}\n", terminal::styled(style, mark));
        for line in self.advice.iter().flat_map(|advice| advice.lines()) {
            text.push_str(&terminal::wrap(line, 4));
            text.push('\n');
        }
        text
    }
}

impl Outcome {
    /// One column wide.
    fn mark(self) -> (&'static str, Style) {
        match self {
            Self::Passed => ("✓", GOOD),
            Self::Warning => ("!", DOUBTFUL),
            Self::Failed => ("✗", BAD),
            Self::Skipped => ("-", FAINT),
        }
    }
}

/// All findings. The text for people is printed as they come in.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    #[serde(skip)]
    prints: bool,
    passed: bool,
    /// Checks that are not about one org.
    checks: Vec<Check>,
    orgs: Vec<OrgReport>,
}

#[derive(Debug, Serialize)]
struct OrgReport {
    name: String,
    checks: Vec<Check>,
}

impl Report {
    /// Prints each check when it is added, unless JSON is printed at the end.
    pub(super) fn new(json: bool) -> Self {
        Self {
            prints: !json,
            passed: true,
            checks: Vec::new(),
            orgs: Vec::new(),
        }
    }

    /// Begins the checks of `org`.
    pub(super) fn begin(&mut self, org: &str) {
        if self.prints {
            terminal::print(&format!("\n{}\n", terminal::styled(STRONG, org)));
        }
        self.orgs.push(OrgReport {
            name: org.to_owned(),
            checks: Vec::new(),
        });
    }

    pub(super) fn add(&mut self, check: Check) {
        if self.prints {
            terminal::print(&check.text());
        }
        self.passed &= check.outcome != Outcome::Failed;
        match self.orgs.last_mut() {
            Some(org) => org.checks.push(check),
            None => self.checks.push(check),
        }
    }

    /// Prints the rest. Returns whether nothing failed.
    pub(super) fn end(self) -> bool {
        if self.prints {
            terminal::print(&format!("\n{}", self.summary()));
        } else {
            // A tree of texts becomes JSON.
            terminal::print(&format!(
                "{}\n",
                serde_json::to_string_pretty(&self).unwrap_or_default()
            ));
        }
        self.passed
    }

    /// A line for each org, such as `main: 2 failed: login, clock; 9 passed`.
    fn summary(&self) -> String {
        let failed = |check: &&Check| check.outcome == Outcome::Failed;
        let general = self.checks.iter().filter(failed);
        let general: String = general
            .map(|check| format!("{} failed\n", check.name.replace('_', " ")))
            .collect();
        let orgs = self.orgs.iter();
        let orgs: String = orgs
            .map(|org| format!("{}: {}\n", org.name, tally(&org.checks)))
            .collect();
        general + &orgs
    }
}

fn tally(checks: &[Check]) -> String {
    let of = |outcome| checks.iter().filter(move |check| check.outcome == outcome);
    let mut parts = Vec::new();
    let failed: Vec<_> = of(Outcome::Failed)
        .map(|check| check.name.replace('_', " "))
        .collect();
    if !failed.is_empty() {
        parts.push(format!("{} failed: {}", failed.len(), failed.join(", ")));
    }
    parts.push(format!("{} passed", of(Outcome::Passed).count()));
    match of(Outcome::Warning).count() {
        0 => {}
        1 => parts.push("1 warning".to_owned()),
        count => parts.push(format!("{count} warnings")),
    }
    match of(Outcome::Skipped).count() {
        0 => {}
        count => parts.push(format!("{count} skipped")),
    }
    if failed.is_empty() {
        parts.join(", ")
    } else {
        format!("{}; {}", parts[0], parts[1..].join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_told_in_lines_that_fit() {
        let check = Check::failed("login", "refused: ".to_owned() + &"word ".repeat(30))
            .advise("why: it is so")
            .advise("do: something else");
        let text = anstream::adapter::strip_str(&check.text()).to_string();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("✗ login: refused: word"), "{text}");
        assert!(lines[1].starts_with("  word"), "{text}");
        assert!(text.ends_with("\n    why: it is so\n    do: something else\n"));
        assert!(lines.iter().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn no_check_obeys_what_it_quotes() {
        let quote = "\u{1b}[2J\u{9b}31m\u{202e}\n✓ login";
        let check = Check::failed("login", quote).advise(quote);
        let json = serde_json::to_string(&check).unwrap();
        let text = anstream::adapter::strip_str(&check.text()).to_string();
        assert_eq!(text.lines().count(), 2, "{text}");
        for shown in [text, json] {
            let is_tricky = |c: char| c == '\u{202e}' || c.is_control() && c != '\n';
            assert!(!shown.contains(is_tricky), "{shown:?}");
            assert!(shown.contains("u001b[2J"), "{shown:?}");
        }
    }

    #[test]
    fn the_summary_counts_and_names_what_failed() {
        let mut report = Report::new(true);
        report.add(Check::passed("configuration", ""));
        report.begin("main");
        report.add(Check::passed("clock", ""));
        report.add(Check::warning("hosts", ""));
        assert_eq!(report.summary(), "main: 1 passed, 1 warning\n");
        report.add(Check::failed("login_host_tls", ""));
        report.add(Check::failed("login", ""));
        report.add(Check::skipped("session", ""));
        let told = "main: 2 failed: login host tls, login; 1 passed, 1 warning, 1 skipped\n";
        assert_eq!(report.summary(), told);
        assert!(!report.passed);
    }

    #[test]
    fn json_has_the_names_that_are_promised() {
        let mut report = Report::new(true);
        report.begin("main");
        report.add(Check::warning("clock", "late").advise("set it"));
        let json = serde_json::to_value(&report).unwrap();
        let expected = serde_json::json!({"passed": true, "checks": [], "orgs": [{"name": "main",
            "checks": [{"name": "clock", "outcome": "warning", "message": "late", "advice": "set it"}]}]});
        assert_eq!(json, expected);
    }
}
