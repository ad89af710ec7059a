//! The arguments of `query`.

use std::{fmt, str::FromStr};

use super::ConfigArgs;

/// A query in SOQL.
#[derive(Debug, clap::Args)]
#[command(after_help = QUERY_EXAMPLES)]
pub struct QueryArgs {
    /// The query, such as "SELECT Id, Name FROM Account"; - reads it from standard input
    pub soql: String,
    /// The org, if the configuration has several
    #[arg(long, value_name = "NAME")]
    pub org: Option<String>,
    /// How to print the records [default: table on a terminal, json otherwise]
    #[arg(short, long, value_enum)]
    pub format: Option<Format>,
    /// API version
    #[arg(long, value_name = "VERSION", default_value_t = ApiVersion::default())]
    pub api_version: ApiVersion,
    /// Use the Tooling API: for Apex classes, debug logs and the like
    #[arg(long)]
    pub tooling: bool,
    /// Include deleted and archived records
    #[arg(long)]
    pub all: bool,
    /// The configuration.
    #[command(flatten)]
    pub source: ConfigArgs,
}

/// A format of printed records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns that fit the terminal
    Table,
    /// An array of the records as the org returned them, without their `attributes`
    Json,
    /// A header line, then a line for each record; `Owner.Name` is a column, too
    Csv,
}

/// A version of Salesforce's APIs, shown as `62.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiVersion(u16);

impl Default for ApiVersion {
    /// One that every org has.
    fn default() -> Self {
        Self(62)
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.0", self.0)
    }
}

impl FromStr for ApiVersion {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.trim_start_matches(['v', 'V']);
        let number = number.strip_suffix(".0").unwrap_or(number);
        number
            .parse()
            .map(Self)
            .map_err(|_| "expected a version such as 62.0")
    }
}

const QUERY_EXAMPLES: &str = "\
Examples:
  orgproxy query \"SELECT Id, Name, Owner.Name FROM Account\"
  orgproxy query \"SELECT COUNT() FROM Contact\"
  orgproxy query -f csv \"SELECT Id, Name FROM Account\" > accounts.csv
  orgproxy query \"SELECT Id FROM Lead\" | jq -r '.[].Id'
  orgproxy query --tooling \"SELECT Name FROM ApexClass\"
  orgproxy query - < query.soql

All records are printed as they arrive, however many responses that takes. JSON
has one record per line, and no closing bracket if it is cut off. In CSV, null
is an empty cell; children and addresses are JSON in a cell. The columns of a
table are as wide as the first 2,000 records need. Exits with 1 if the org
returns an error.";

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("62", Some("62.0"))]
    #[test_case("62.0", Some("62.0"))]
    #[test_case("v62.0", Some("62.0"))]
    #[test_case("62.1", None)]
    #[test_case("", None)]
    #[test_case("latest", None)]
    fn versions_are_read(text: &str, expected: Option<&str>) {
        let version = text.parse::<ApiVersion>().ok();
        assert_eq!(
            version.map(|version| version.to_string()).as_deref(),
            expected
        );
    }
}
