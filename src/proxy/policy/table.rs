//! The effect of each request of the REST API, as data: one line for each pattern, of which the first
//! that matches counts. Sources are Salesforce's developer guides: REST API, Tooling API, User Interface
//! API, Analytics REST APIs, Connect REST API, Bulk API 2.0, Metadata API.

use crate::proxy::path::is;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Shows what is not in records: limits, descriptions, the state of jobs.
    Read,
    /// Shows records of the object in the path.
    ReadRecord,
    /// Shows nothing but ids of records of the object in the path.
    ReadIds,
    /// Records of an object, with fields that the org chooses.
    ReadRecent,
    /// Shows records of whatever objects.
    ReadAny,
    /// Shows how many records there are of the objects in its parameters.
    Count,
    /// Shows an article, and counts that unless its parameter `updateViewStat` is false.
    Article,
    /// Shows records, which a JSON body asks for.
    ReadAsked,
    /// Shows records of the object in the path, with the fields that its body lists.
    Retrieve,
    /// Has a query in SOQL in its parameters.
    Soql,
    /// Has a search in SOSL in its parameters.
    Sosl,
    /// Has a query or a mutation in GraphQL in its body.
    GraphQl,
    /// Changes a record of the object in the path.
    WriteRecord,
    /// Changes the record whose id is in the path.
    WriteId,
    /// Creates or changes the record in its body, as the UI API writes it.
    UiRecord,
    /// Changes records that its body lists.
    Collection,
    /// Creates records of the object in the path, and others below them.
    Tree,
    /// Deletes the records whose ids are in the parameters.
    DeleteIds,
    /// Has to do with a job whose object was judged when the job was created.
    Load,
    /// Changes something that is neither in records nor about users and permissions.
    Write,
    /// Changes records of whatever objects: actions.
    WriteAny,
    /// Has requests in its body, with whole paths.
    Composite,
    /// Has requests in its body, with paths from the version on.
    Batch,
    /// Has lists of requests in its body.
    Graph,
    /// Creates a Bulk query job.
    QueryJob,
    /// Creates a Bulk job that writes.
    IngestJob,
    ExecuteAnonymous,
    Deploy,
    /// Changes a record of the object in the path, which is metadata; or of one that is not said there.
    DeployRecord,
    Setup,
    /// Runs code that only the org knows.
    Code,
    /// Does something that is not known, where even a GET may be as good as a write.
    Unknown,
}

/// One line of the table.
#[derive(Debug)]
pub(super) struct Row {
    /// A method; `GET` includes HEAD, and `!GET` is all others; `*` is any.
    method: &'static str,
    /// Words in lower case: `*` is any, `{}` is the one that the rule is about, `<field>` is the name of
    /// a field, `<org>` and `<user>` are ids of these, `**` is any number of words.
    path: &'static str,
    pub(super) rule: Rule,
}

const fn row(method: &'static str, path: &'static str, rule: Rule) -> Row {
    Row { method, path, rule }
}

/// The line for `method` and the words of a path in `table`, with the word that it is about.
pub(super) fn find<'a>(
    table: &'static [Row],
    method: &str,
    words: &[&'a str],
) -> Option<(Rule, &'a str)> {
    table.iter().find_map(|row| {
        let subject = row.matches(words).filter(|_| row.is_for(method))?;
        Some((row.rule, subject))
    })
}

impl Row {
    fn is_for(&self, method: &str) -> bool {
        let is_get = matches!(method, "GET" | "HEAD");
        match self.method {
            "*" => true,
            "GET" => is_get,
            "!GET" => !is_get,
            own => own == method,
        }
    }

    /// The word that the rule is about, or nothing if the path is another.
    fn matches<'a>(&self, words: &[&'a str]) -> Option<&'a str> {
        let mut subject = "";
        let mut words = words.iter();
        for expected in self.path.split('/').filter(|word| !word.is_empty()) {
            if expected == "**" {
                return Some(subject);
            }
            let word = words.next()?;
            match expected {
                "*" => {}
                "{}" => subject = word,
                "<field>" if is_field(word) => {}
                "<org>" if word.starts_with("00D") => {}
                "<user>" if word.starts_with("005") => {}
                _ if is(Some(word.as_bytes()), expected) => {}
                _ => return None,
            }
        }
        words.next().is_none().then_some(subject)
    }
}

/// Returns whether `word`, after an object, can only be the name of a field: no id has its form.
fn is_field(word: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let may_be_id = matches!(word.len(), 15 | 18) && !word.contains('_');
    word.starts_with(|first: char| first.is_ascii_alphabetic())
        && word.bytes().all(is_letter)
        && !may_be_id
}

/// Below `/services/data/vNN.0`.
#[rustfmt::skip]
pub(super) static REST: &[Row] = &[
    row("OPTIONS", "**", Rule::Read),
    row("GET", "", Rule::Read),
    row("GET", "limits/recordcount/**", Rule::Count),
    row("GET", "limits/**", Rule::Read),

    // Records. The `password` of a user is below its record, and so about the object User.
    row("GET", "sobjects", Rule::Read),
    row("GET", "sobjects/*/describe/**", Rule::Read),
    row("GET", "sobjects/*/defaultvalues/**", Rule::Read),
    row("GET", "sobjects/relevantitems", Rule::ReadAny),
    // An action on one object can create another. Its default values are those of a record.
    row("GET", "sobjects/*/quickactions", Rule::Read),
    row("GET", "sobjects/*/quickactions/*", Rule::Read),
    row("GET", "sobjects/*/quickactions/*/describe/**", Rule::Read),
    row("GET", "sobjects/*/quickactions/**", Rule::ReadAny),
    row("!GET", "sobjects/*/quickactions/**", Rule::WriteAny),
    row("GET", "sobjects/*/listviews", Rule::Read),
    row("GET", "sobjects/*/listviews/*", Rule::Read),
    row("GET", "sobjects/*/listviews/*/describe", Rule::Read),
    row("GET", "sobjects/*/listviews/**", Rule::ReadAny),
    row("GET", "sobjects/{}/updated", Rule::ReadIds),
    row("GET", "sobjects/{}/deleted", Rule::ReadIds),
    // With the records that were viewed last, whatever parameters there are.
    row("GET", "sobjects/{}", Rule::ReadRecent),
    row("GET", "sobjects/{}/*", Rule::ReadRecord),
    // An external id, a file, or what a relationship leads to.
    row("GET", "sobjects/**", Rule::ReadAny),
    row("!GET", "sobjects/{}/<field>/*", Rule::WriteRecord),
    row("!GET", "sobjects/{}/*/password", Rule::WriteRecord),
    row("!GET", "sobjects/{}/*/fromthiseventonwards", Rule::WriteRecord),
    // What a relationship leads to is another record, of another object.
    row("!GET", "sobjects/*/*/*/**", Rule::WriteAny),
    row("!GET", "sobjects/{}/**", Rule::WriteRecord),

    // Queries and searches. POST to parameterizedSearch is for long searches.
    row("GET", "query/**", Rule::Soql),
    row("GET", "queryall/**", Rule::Soql),
    row("GET", "search", Rule::Sosl),
    row("GET", "search/**", Rule::ReadAny),
    row("GET", "parameterizedsearch", Rule::ReadAny),
    row("POST", "parameterizedsearch", Rule::ReadAsked),
    row("POST", "graphql", Rule::GraphQl),

    // Requests within requests, and lists of records. To have them by a list of ids takes a POST where
    // the list is long.
    row("GET", "composite", Rule::Read),
    row("POST", "composite", Rule::Composite),
    row("POST", "composite/batch", Rule::Batch),
    row("POST", "composite/graph", Rule::Graph),
    row("POST", "composite/tree/{}", Rule::Tree),
    row("GET", "composite/sobjects/{}", Rule::ReadRecord),
    row("POST", "composite/sobjects/{}", Rule::Retrieve),
    row("POST", "composite/sobjects", Rule::Collection),
    row("PATCH", "composite/sobjects", Rule::Collection),
    row("PATCH", "composite/sobjects/{}/*", Rule::Collection),
    row("DELETE", "composite/sobjects", Rule::DeleteIds),
    row("!GET", "composite/**", Rule::WriteAny),

    // Bulk 2.0. A query job that is aborted or deleted leaves the data alone. What is loaded is about the
    // object that the job was created for.
    row("GET", "jobs/query", Rule::Read),
    row("GET", "jobs/query/*", Rule::Read),
    row("GET", "jobs/query/**", Rule::ReadAny),
    row("POST", "jobs/query", Rule::QueryJob),
    row("PATCH", "jobs/query/*", Rule::Read),
    row("DELETE", "jobs/query/*", Rule::Read),
    row("GET", "jobs/ingest", Rule::Read),
    row("GET", "jobs/ingest/*", Rule::Read),
    row("GET", "jobs/ingest/**", Rule::ReadAny),
    row("POST", "jobs/ingest", Rule::IngestJob),
    row("!GET", "jobs/ingest/**", Rule::Load),

    // Tooling. GET executes code here. Tests run code, too, and leave their results.
    row("*", "tooling/executeanonymous/**", Rule::ExecuteAnonymous),
    row("*", "tooling/runtestsasynchronous/**", Rule::Code),
    row("*", "tooling/runtestssynchronous/**", Rule::Code),
    row("GET", "tooling", Rule::Read),
    row("GET", "tooling/query/**", Rule::Soql),
    row("GET", "tooling/queryall/**", Rule::Soql),
    row("GET", "tooling/search", Rule::Sosl),
    row("GET", "tooling/completions", Rule::Read),
    row("GET", "tooling/sobjects", Rule::Read),
    row("GET", "tooling/sobjects/*/describe/**", Rule::Read),
    row("GET", "tooling/sobjects/{}", Rule::ReadRecent),
    row("GET", "tooling/sobjects/{}/*", Rule::ReadRecord),
    row("GET", "tooling/sobjects/**", Rule::ReadAny),
    row("GET", "tooling/composite", Rule::Read),
    row("POST", "tooling/composite", Rule::Composite),
    row("POST", "tooling/composite/batch", Rule::Batch),
    row("POST", "tooling/composite/graph", Rule::Graph),
    row("GET", "tooling/**", Rule::Unknown),
    // What a relationship leads to, and what is listed in a body, may be about users and permissions.
    row("!GET", "tooling/sobjects/*/*/*/**", Rule::DeployRecord),
    row("!GET", "tooling/sobjects/{}/**", Rule::DeployRecord),
    row("!GET", "tooling/composite/**", Rule::DeployRecord),
    row("!GET", "tooling/**", Rule::Deploy),
    row("GET", "metadata/**", Rule::Read),
    row("!GET", "metadata/**", Rule::Deploy),

    // Actions and rules run flows and code.
    row("GET", "actions/**", Rule::Read),
    row("!GET", "actions/**", Rule::WriteAny),
    row("GET", "quickactions", Rule::Read),
    row("GET", "quickactions/*", Rule::Read),
    row("GET", "quickactions/*/describe/**", Rule::Read),
    row("GET", "quickactions/**", Rule::ReadAny),
    row("!GET", "quickactions/**", Rule::WriteAny),
    row("GET", "process/approvals", Rule::Read),
    row("GET", "process/rules/**", Rule::Read),
    row("GET", "process/**", Rule::ReadAny),
    row("!GET", "process/**", Rule::Write),

    // UI API. Its parameter updateMru is looked at elsewhere.
    row("GET", "ui-api/object-info/**", Rule::Read),
    row("POST", "ui-api/records", Rule::UiRecord),
    row("PATCH", "ui-api/records/{}", Rule::WriteId),
    row("DELETE", "ui-api/records/{}", Rule::WriteId),
    // With the list's parameters in its body.
    row("POST", "ui-api/list-records/*/*", Rule::ReadAsked),
    row("GET", "ui-api/**", Rule::ReadAny),
    row("!GET", "ui-api/**", Rule::WriteAny),

    // Reports. POST to one, or to `query`, runs it with other filters and saves nothing; to `instances`
    // it runs in the background. PUT to a dashboard has it calculated anew.
    row("GET", "analytics/reports/*/describe", Rule::Read),
    row("GET", "analytics/**", Rule::ReadAny),
    row("POST", "analytics/reports/query", Rule::ReadAsked),
    row("POST", "analytics/reports/*/instances", Rule::ReadAsked),
    row("POST", "analytics/reports/*", Rule::ReadAsked),
    row("!GET", "analytics/**", Rule::Write),
    row("GET", "wave/**", Rule::ReadAny),
    row("POST", "wave/query", Rule::ReadAsked),
    row("!GET", "wave/**", Rule::Write),

    // Data 360: its queries are POST.
    row("POST", "ssot/query", Rule::ReadAsked),
    row("POST", "ssot/queryv2", Rule::ReadAsked),
    row("POST", "ssot/query-sql", Rule::ReadAsked),
    row("GET", "ssot/**", Rule::ReadAny),
    row("!GET", "ssot/**", Rule::Write),

    row("GET", "chatter/**", Rule::ReadAny),
    row("!GET", "chatter/users/*", Rule::Setup),
    row("!GET", "chatter/**", Rule::Write),
    row("GET", "connect/**", Rule::ReadAny),
    // With the same body as a batch of the composite resources.
    row("POST", "connect/batch", Rule::Batch),
    // As with the records of users and of named credentials.
    row("!GET", "connect/named-credentials/**", Rule::Setup),
    row("!GET", "connect/user-profiles/**", Rule::Setup),
    row("!GET", "connect/communities/*/user-profiles/**", Rule::Setup),
    row("!GET", "connect/communities/*/chatter/users/*", Rule::Setup),
    // A site is metadata, as the object Network.
    row("!GET", "connect/communities", Rule::Deploy),
    row("!GET", "connect/communities/*", Rule::Deploy),
    row("!GET", "connect/communities/*/publish", Rule::Deploy),
    row("!GET", "connect/**", Rule::Write),
    row("GET", "recent", Rule::ReadAny),
    row("GET", "support/knowledgearticles/*", Rule::Article),
    row("GET", "support/**", Rule::ReadAny),
    row("GET", "knowledgemanagement/**", Rule::ReadAny),
    row("GET", "event/eventschema/**", Rule::Read),
    row("GET", "licensing/**", Rule::Read),
    row("GET", "appmenu/**", Rule::Read),
    row("GET", "compactlayouts", Rule::Read),
    row("GET", "tabs", Rule::Read),
    row("GET", "theme", Rule::Read),
    row("GET", "nouns/**", Rule::Read),
    row("!GET", "named-credentials/**", Rule::Setup),

    // Features that run what only the org knows. None of them is about users and permissions.
    row("!GET", "commerce/**", Rule::Code),
    row("!GET", "consent/**", Rule::Code),
    row("!GET", "dedupe/**", Rule::Code),
    row("!GET", "einstein/**", Rule::Code),
    row("!GET", "jsonxform/**", Rule::Code),
    row("!GET", "knowledgemanagement/**", Rule::Code),
    row("!GET", "scheduling/**", Rule::Code),
    row("!GET", "smartdatadiscovery/**", Rule::Code),
    row("!GET", "support/**", Rule::Code),
];

/// Everywhere else, from the host on.
#[rustfmt::skip]
pub(super) static ELSEWHERE: &[Row] = &[
    row("OPTIONS", "**", Rule::Read),
    row("GET", "services/data", Rule::Read),
    row("*", "services/oauth2/userinfo", Rule::Read),
    row("*", "services/oauth2/introspect", Rule::Read),
    row("*", "id/<org>/<user>", Rule::Read),
    row("GET", ".well-known/**", Rule::Read),
    row("GET", "services/wsdl/**", Rule::Read),
    row("GET", "soap/wsdl.jsp", Rule::Read),
    // Users and groups by SCIM 2.0.
    row("GET", "services/scim/**", Rule::ReadAny),
    row("!GET", "services/scim/**", Rule::Setup),
    // GET may write there as well: a class decides.
    row("*", "services/apexrest/**", Rule::Code),
    // Files, by cookie.
    row("GET", "sfc/servlet.shepherd/**", Rule::ReadAny),
    row("GET", "servlet/servlet.filedownload", Rule::ReadAny),
    row("GET", "servlet/servlet.imageserver", Rule::ReadAny),
];
