//! `[org.NAME.policy]` and `[org.NAME.policies.CLIENT]`: what clients may ask of the org.

use http::Method;

use super::{
    ClientLabel, ClientNames, Clients, document::Value, given, section::Section, text, value,
};

/// The policy of an org, and those of some of its clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policies {
    /// For all who have none of their own.
    pub org: Option<Policy>,
    /// For the clients that these name.
    pub of_clients: Vec<(ClientLabel, Policy)>,
}

/// The requests that may pass. Everything that is not given is allowed, but for what has a switch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// The table that it is set in, such as `org.main.policy`.
    pub table: String,
    /// If true, what it refuses is logged and counted, and passes.
    pub observe: bool,
    /// If true, nothing may change what is in the org.
    pub read_only: bool,
    /// If true, Apex code in a request may be executed.
    pub execute_anonymous: bool,
    /// If true, metadata may be deployed and changed.
    pub metadata_deploy: bool,
    /// If true, users and permissions may be changed.
    pub setup: bool,
    /// If true, the org has no person accounts, and so accounts have no data of contacts.
    pub lacks_person_accounts: bool,
    /// The methods that are allowed.
    pub methods: Option<Vec<Method>>,
    /// The paths that are allowed, with what lies below them.
    pub paths: Option<Vec<String>>,
    /// Paths that are refused, with what lies below them.
    pub deny_paths: Vec<String>,
    /// Paths that count as reading where that cannot be told.
    pub read_paths: Vec<String>,
    /// The objects that may be read.
    pub read_objects: Option<Names>,
    /// The objects that may be written.
    pub write_objects: Option<Names>,
    /// Objects that may be neither read nor written.
    pub deny_objects: Names,
    /// The fields that may be read, of objects that have any here.
    pub read_fields: Fields,
    /// The fields that may be written, of objects that have any here.
    pub write_fields: Fields,
    /// Fields that may be neither read nor written.
    pub deny_fields: Fields,
}

/// Names of objects, in lower case; `*` is any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(Vec<String>);

/// Fields, each with its object, in lower case; `*` is any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Policies {
    /// Each of them, in words.
    pub(crate) fn words(&self) -> Vec<String> {
        let all = if self.of_clients.is_empty() {
            "all clients"
        } else {
            "all other clients"
        };
        let of_clients = self.of_clients.iter();
        of_clients
            .map(|(client, policy)| format!("{client}: {}", policy.words()))
            .chain(
                self.org
                    .iter()
                    .map(|policy| format!("{all}: {}", policy.words())),
            )
            .collect()
    }
}

impl Policy {
    fn words(&self) -> String {
        let limits_objects = Names::limits(self.read_objects.as_ref())
            || Names::limits(self.write_objects.as_ref())
            || !self.deny_objects.is_empty();
        let limits_fields = !self.read_fields.is_empty()
            || !self.write_fields.is_empty()
            || !self.deny_fields.is_empty();
        let words = [
            (self.observe, "only observed"),
            (self.read_only, "read only"),
            (!self.read_only && !self.execute_anonymous, "no Apex code"),
            (!self.read_only && !self.metadata_deploy, "no metadata"),
            (!self.read_only && !self.setup, "no users and permissions"),
            (limits_objects, "some objects"),
            (limits_fields, "some fields"),
            (self.methods.is_some(), "some methods"),
            (
                self.paths.is_some() || !self.deny_paths.is_empty(),
                "some paths",
            ),
        ];
        let words: Vec<_> = words
            .iter()
            .filter(|(is_so, _)| *is_so)
            .map(|(_, word)| *word)
            .collect();
        if words.is_empty() {
            return "everything".to_owned();
        }
        words.join(", ")
    }
}

impl Names {
    /// A list of these names.
    pub fn of(names: &[&str]) -> Self {
        Self(names.iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|known| is(known, name))
    }

    /// The same, whether or not either has the namespace of the org.
    pub(crate) fn denies(&self, name: &str) -> bool {
        self.0.iter().any(|known| is_alike(known, name))
    }

    /// Returns whether there is such a list, and not of all there is.
    pub(crate) fn limits(list: Option<&Self>) -> bool {
        list.is_some_and(|list| !list.has_all())
    }

    /// Returns whether it is a list of all there is.
    pub(crate) fn has_all(&self) -> bool {
        self.0.iter().any(|known| known == ANY)
    }
}

impl Fields {
    /// A list of these fields, such as `Contact.Email`. What is not a field is left out.
    pub fn of(fields: &[&str]) -> Self {
        let parts = fields.iter().filter_map(|field| field.split_once('.'));
        let lower = |part: &str| part.to_ascii_lowercase();
        Self(
            parts
                .map(|(object, field)| (lower(object), lower(field)))
                .collect(),
        )
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether any field of `object` is here, whether or not either has the namespace of the org.
    pub(crate) fn are_of(&self, object: &str) -> bool {
        self.0.iter().any(|(known, _)| is_alike(known, object))
    }

    pub(crate) fn has(&self, object: &str, field: &str) -> bool {
        let mut all = self.0.iter();
        all.any(|(known, name)| is(known, object) && is(name, field))
    }

    /// Like `has`, in the same way as `are_of`.
    pub(crate) fn deny(&self, object: &str, field: &str) -> bool {
        let mut all = self.0.iter();
        all.any(|(known, name)| is_alike(known, object) && is_alike(name, field))
    }

    /// The names of the fields of `object` here.
    pub(crate) fn named_of(&self, object: &str) -> impl Iterator<Item = &str> {
        let all = self.0.iter();
        all.filter(move |(known, _)| is_alike(known, object))
            .map(|(_, name)| &**name)
    }

    /// Returns whether a field of this name is denied, of whatever object.
    pub(crate) fn deny_named(&self, field: &str) -> bool {
        self.0.iter().any(|(_, name)| is_alike(name, field))
    }
}

fn is(known: &str, name: &str) -> bool {
    known == ANY || known.eq_ignore_ascii_case(name)
}

/// In an org with a namespace, `Payroll__c` and `acme__Payroll__c` may be the same.
fn is_alike(known: &str, name: &str) -> bool {
    is(known, name) || has_namespace(known, name) || has_namespace(name, known)
}

/// Returns whether `name` is `bare` with a namespace before it. Only custom names have one. What is before the
/// first `__` is not always a namespace: `Place__Latitude__s` is a part of `Place__c`.
fn has_namespace(name: &str, bare: &str) -> bool {
    let start = name.len().checked_sub(bare.len());
    let parts = start.and_then(|start| name.split_at_checked(start));
    parts.is_some_and(|(start, end)| {
        let namespace = start.strip_suffix("__");
        bare.contains("__") && end.eq_ignore_ascii_case(bare) && namespace.is_some_and(is_namespace)
    })
}

/// First-Generation Managed Packaging Developer Guide, *Register a Namespace*.
fn is_namespace(text: &str) -> bool {
    (1..=LONGEST_NAMESPACE).contains(&text.len()) && is_name(text) && !text.contains("__")
}

/// Reads both sections of an org; nothing if neither is there.
pub(super) fn read(
    org: &mut Section<'_>,
    name: &str,
    clients: Option<&Clients>,
    names: &ClientNames,
) -> Option<Policies> {
    let has_own = org.get("policy").is_some();
    let own = policy(org.child("policy"), Policy::default(), name, "policy");
    let of_clients: Vec<_> = org
        .child("policies")
        .tables("; name a client, as in [org.NAME.policies.\"listener:agent\"]")
        .into_iter()
        .filter_map(|(client, section)| {
            let of = ClientLabel::parse(&client, clients, names);
            if let Err(message) = &of {
                section.complain(message);
            }
            let base = if has_own {
                own.clone()
            } else {
                Policy::default()
            };
            let table = format!("policies.{}", given::shown(&client));
            let policy = policy(section, base, name, &table);
            Some((of.ok()?, policy))
        })
        .collect();
    let is_name = |(label, _): &(ClientLabel, Policy)| matches!(label, ClientLabel::Name(_));
    if !has_own && of_clients.iter().any(is_name) {
        // Who does not log in has no name, and would be free.
        org.problem(
            "policy",
            "missing; add it for all who do not log in as one of the clients in policies, with \
             read_only = true or whatever else they may do",
        );
    }
    let org = has_own.then_some(own);
    (org.is_some() || !of_clients.is_empty()).then_some(Policies { org, of_clients })
}

/// Reads one table. What it does not set is as in `policy`.
fn policy(mut section: Section<'_>, mut policy: Policy, org: &str, table: &str) -> Policy {
    policy.table = format!("org.{org}.{table}");
    if let Some(mode) = section.read("mode", mode) {
        policy.observe = mode;
    }
    let it = &mut section;
    set(it, "read_only", &mut policy.read_only);
    for (key, switch) in [
        ("execute_anonymous", &mut policy.execute_anonymous),
        ("metadata_deploy", &mut policy.metadata_deploy),
        ("setup", &mut policy.setup),
    ] {
        let is_given = it.get(key).is_some();
        set(it, key, switch);
        if policy.read_only && *switch && is_given {
            it.problem(
                key,
                "has no effect with read_only = true, since it writes; remove one of the two",
            );
        }
    }
    if let Some(has) = it.read("person_accounts", value::flag) {
        policy.lacks_person_accounts = !has;
    }
    if let Some(methods) = it.list("methods", method) {
        policy.methods = Some(methods);
    }
    if let Some(paths) = it.list("paths", path) {
        policy.paths = Some(paths);
    }
    policy.deny_paths = it.list("deny_paths", path).unwrap_or(policy.deny_paths);
    policy.read_paths = it.list("read_paths", path).unwrap_or(policy.read_paths);
    policy.read_objects = names(it, "read_objects").or(policy.read_objects);
    policy.write_objects = names(it, "write_objects").or(policy.write_objects);
    policy.deny_objects = names(it, "deny_objects").unwrap_or(policy.deny_objects);
    policy.read_fields = fields(it, "read_fields").unwrap_or(policy.read_fields);
    policy.write_fields = fields(it, "write_fields").unwrap_or(policy.write_fields);
    policy.deny_fields = fields(it, "deny_fields").unwrap_or(policy.deny_fields);
    section.finish();
    policy
}

fn set(section: &mut Section<'_>, key: &'static str, field: &mut bool) {
    if let Some(flag) = section.read(key, value::flag) {
        *field = flag;
    }
}

/// True if it only observes.
fn mode(value: &Value) -> Result<bool, String> {
    match value::text(value)? {
        "enforce" => Ok(false),
        "observe" => Ok(true),
        other => Err(format!(
            "must be \"enforce\" or \"observe\", not {}",
            given::shown(other)
        )),
    }
}

fn method(value: &Value) -> Result<Method, String> {
    let text = value::text(value)?;
    let method = METHODS.iter().find(|method| method.as_str() == text);
    method.cloned().ok_or_else(|| {
        let methods: Vec<_> = METHODS.iter().map(Method::as_str).collect();
        format!(
            "{} is not a method; the methods are {}",
            given::shown(text),
            methods.join(", ")
        )
    })
}

/// A path in which words may be `*`, such as the version of an API.
fn path(value: &Value) -> Result<String, String> {
    let written = value::text(value)?;
    let words = written.split('/');
    let words = words.map(|word| if word == "*" { "any" } else { word });
    let plain = Value::Text(words.collect::<Vec<_>>().join("/"));
    if text::path(&plain).is_ok() {
        return Ok(written.trim_end_matches('/').to_ascii_lowercase());
    }
    // The message shows what was written.
    let path = text::path(value);
    path.map_err(|why| why.replace("query or wildcard", "query; * is any one word"))
}

fn names(section: &mut Section<'_>, key: &'static str) -> Option<Names> {
    section.list(key, name).map(Names)
}

fn fields(section: &mut Section<'_>, key: &'static str) -> Option<Fields> {
    let fields = section.list(key, |value| {
        let text = value::text(value)?;
        let parts = text.split_once('.');
        let parts = parts.filter(|(object, field)| is_name(object) && is_name(field));
        let (object, field) = parts.ok_or_else(|| {
            format!(
                "{} is not a field; write one such as \"Contact.Email\", or \"Contact.*\" for all of \
                 an object",
                given::shown(text)
            )
        })?;
        Ok((object.to_ascii_lowercase(), field.to_ascii_lowercase()))
    });
    fields.map(Fields)
}

fn name(value: &Value) -> Result<String, String> {
    let text = value::text(value)?;
    if is_name(text) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!(
        "{} is not the API name of an object; write one such as \"Account\" or \"Invoice__c\", or \
         \"*\" for all",
        given::shown(text)
    ))
}

fn is_name(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text == ANY || !text.is_empty() && text.chars().all(is_letter)
}

const ANY: &str = "*";

const LONGEST_NAMESPACE: usize = 15;

/// The methods that are ever admitted. CONNECT, TRACE and TRACK are missing on purpose: TRACE would
/// show the session to the client.
pub(crate) const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];
