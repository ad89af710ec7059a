//! The records of the org.

use serde_json::{Map, Value, json};

use super::{
    event::Events,
    id::{USER_ID, record_id, same_id},
};

/// Field names and values, in the order of the object's fields.
pub(super) type Record = Map<String, Value>;

/// All objects with their records.
#[derive(Clone)]
pub(super) struct Data {
    pub(super) tables: Vec<Table>,
    /// Changes of records, and events that clients published.
    pub(super) events: Events,
}

impl Data {
    /// The sample in every org: two Apex classes, 20 accounts, 50 contacts, 30 opportunities, and
    /// 5,000 invoices for results in several batches.
    pub(super) fn sample(username: &str) -> Self {
        let mut data = Self {
            tables: OBJECTS.iter().map(Table::new).collect(),
            events: Events::default(),
        };
        data.add("User", |_| {
            json!({"Id": USER_ID, "Name": "Integration User", "Username": username,
                "Email": username, "IsActive": true})
        });
        for name in CLASSES {
            data.add("ApexClass", |_| {
                json!({"Name": name, "ApiVersion": 62.0, "Status": "Active",
                    "Body": format!("public class {name} {{ }}")})
            });
        }
        for n in 0..20 {
            data.add("Account", |_| {
                json!({
                    "Name": format!("{} {}", pick(&PLACES, n), pick(&TRADES, n / 4 + n)),
                    "Industry": pick(&INDUSTRIES, n),
                    "AnnualRevenue": if n % 7 == 6 { Value::Null } else { json!(250_000 * (n + 1)) },
                    "NumberOfEmployees": 12 * (n + 1),
                    "BillingCity": pick(&PLACES, n),
                    "Website": if n % 5 == 4 { Value::Null } else { json!(format!("https://www{n}.example.com")) },
                })
            });
        }
        for n in 0..50 {
            data.add("Contact", |data| {
                let (first, last) = (pick(&FIRST_NAMES, n), pick(&LAST_NAMES, n / 10 + n));
                json!({
                    "FirstName": first,
                    "LastName": last,
                    "Email": format!("{}.{}{n}@example.com", first.to_lowercase(), last.to_lowercase()),
                    "Phone": if n % 3 == 0 { Value::Null } else { json!(format!("+1 555 01{n:02}")) },
                    "AccountId": if n % 10 == 9 { Value::Null } else { data.nth("Account", n) },
                })
            });
        }
        for n in 0..30 {
            data.add("Opportunity", |data| {
                let stage = pick(&STAGES, n);
                json!({
                    "Name": format!("Renewal {}", 2020 + n),
                    "StageName": stage,
                    "Amount": 1_500.5 * (n + 1) as f64,
                    "CloseDate": format!("2026-{:02}-{:02}", n % 12 + 1, n % 28 + 1),
                    "IsClosed": stage.starts_with("Closed"),
                    "IsWon": stage == "Closed Won",
                    "AccountId": data.nth("Account", n * 3),
                })
            });
        }
        for n in 0..5_000 {
            data.add("Invoice__c", |data| {
                json!({
                    "Name": format!("INV-{:05}", n + 1),
                    "Amount__c": (n * 37 % 1_000) as f64 + 0.25,
                    "Paid__c": n % 3 != 0,
                    "Due__c": format!("2026-{:02}-{:02}", n % 12 + 1, n % 28 + 1),
                    "Account__c": data.nth("Account", n),
                })
            });
        }
        data
    }

    pub(super) fn table(&self, name: &str) -> Option<&Table> {
        let mut tables = self.tables.iter();
        tables.find(|table| table.object.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn table_mut(&mut self, name: &str) -> Option<&mut Table> {
        let mut tables = self.tables.iter_mut();
        tables.find(|table| table.object.name.eq_ignore_ascii_case(name))
    }

    fn add(&mut self, name: &str, record: impl FnOnce(&Self) -> Value) {
        let Value::Object(values) = record(self) else {
            return;
        };
        if let Some(table) = self.table_mut(name) {
            table.insert(values);
        }
    }

    fn nth(&self, name: &str, n: usize) -> Value {
        self.table(name).map_or(Value::Null, |table| {
            table.records[n % table.records.len()]["Id"].clone()
        })
    }
}

/// The records of one object.
#[derive(Clone)]
pub(super) struct Table {
    pub(super) object: &'static Object,
    pub(super) records: Vec<Record>,
    /// Number of ids so far.
    ids: u64,
}

impl Table {
    fn new(object: &'static Object) -> Self {
        Self {
            object,
            records: Vec::new(),
            ids: 0,
        }
    }

    pub(super) fn find(&self, id: &str) -> Option<&Record> {
        self.records.iter().find(|record| has_id(record, id))
    }

    /// Adds a record of known fields, and returns its id.
    pub(super) fn insert(&mut self, values: Record) -> String {
        self.ids += 1;
        let mut record = Record::new();
        for field in self.object.fields {
            let default = match (field.name, field.kind) {
                ("Id", _) => record_id(self.object.prefix, self.ids).into(),
                ("OwnerId", _) => USER_ID.into(),
                ("CreatedDate", _) => "2026-01-15T09:30:00.000+0000".into(),
                (_, Kind::Bool) => false.into(),
                _ => Value::Null,
            };
            record.insert(field.name.to_owned(), default);
        }
        change(&mut record, values);
        let id = record["Id"].as_str().unwrap_or_default().to_owned();
        self.records.push(record);
        id
    }

    /// Changes known fields of a record. Returns false if none has this id.
    pub(super) fn update(&mut self, id: &str, values: Record) -> bool {
        let mut records = self.records.iter_mut();
        let Some(record) = records.find(|record| has_id(record, id)) else {
            return false;
        };
        change(record, values);
        true
    }

    /// Deletes a record. Returns false if none has this id.
    pub(super) fn delete(&mut self, id: &str) -> bool {
        let before = self.records.len();
        self.records.retain(|record| !has_id(record, id));
        self.records.len() < before
    }
}

/// A kind of records.
pub(super) struct Object {
    pub(super) name: &'static str,
    pub(super) plural: &'static str,
    /// The prefix of the ids of its records.
    pub(super) prefix: &'static str,
    pub(super) fields: &'static [Field],
}

impl Object {
    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        let mut fields = self.fields.iter();
        fields.find(|field| field.name.eq_ignore_ascii_case(name))
    }
}

pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
}

impl Field {
    /// Returns whether clients may write it.
    pub(super) fn is_writable(&self) -> bool {
        !matches!(self.kind, Kind::Id | Kind::DateTime)
    }
}

/// The type of a field in the description of an object.
pub(super) struct Described {
    pub(super) name: &'static str,
    pub(super) soap_type: &'static str,
    /// In characters, for a text.
    pub(super) length: u32,
    pub(super) bytes: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Id,
    Text,
    Number,
    Bool,
    Date,
    DateTime,
    /// The id of a record of `to`, which queries reach by `relationship`.
    Reference {
        to: &'static str,
        relationship: &'static str,
    },
}

impl Kind {
    pub(super) fn describe(self) -> Described {
        let (name, soap_type, length, bytes) = match self {
            Self::Id => ("id", "tns:ID", 18, 18),
            // Three bytes in UTF-8 for each character.
            Self::Text => ("string", "xsd:string", 255, 765),
            Self::Number => ("double", "xsd:double", 0, 0),
            Self::Bool => ("boolean", "xsd:boolean", 0, 0),
            Self::Date => ("date", "xsd:date", 0, 0),
            Self::DateTime => ("datetime", "xsd:dateTime", 0, 0),
            Self::Reference { .. } => ("reference", "tns:ID", 18, 18),
        };
        Described {
            name,
            soap_type,
            length,
            bytes,
        }
    }
}

fn change(record: &mut Record, values: Record) {
    record.extend(values);
    // The one compound name.
    if let Some(last) = record.get("LastName").and_then(Value::as_str) {
        let first = record.get("FirstName").and_then(Value::as_str);
        let name = format!("{} {last}", first.unwrap_or_default());
        record.insert("Name".to_owned(), name.trim_start().into());
    }
}

fn has_id(record: &Record, id: &str) -> bool {
    let own = record.get("Id").and_then(Value::as_str);
    own.is_some_and(|own| same_id(own, id))
}

fn pick<'a>(words: &[&'a str], n: usize) -> &'a str {
    words[n % words.len()]
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: false,
    }
}

const fn required(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: true,
    }
}

const fn reference(name: &'static str, to: &'static str, relationship: &'static str) -> Field {
    field(name, Kind::Reference { to, relationship })
}

static OBJECTS: [Object; 6] = [
    Object {
        name: "User",
        plural: "Users",
        prefix: "005",
        fields: &[
            field("Id", Kind::Id),
            required("Name", Kind::Text),
            required("Username", Kind::Text),
            required("Email", Kind::Text),
            field("IsActive", Kind::Bool),
            field("CreatedDate", Kind::DateTime),
        ],
    },
    Object {
        name: "Account",
        plural: "Accounts",
        prefix: "001",
        fields: &[
            field("Id", Kind::Id),
            required("Name", Kind::Text),
            field("Industry", Kind::Text),
            field("AnnualRevenue", Kind::Number),
            field("NumberOfEmployees", Kind::Number),
            field("BillingCity", Kind::Text),
            field("Website", Kind::Text),
            reference("OwnerId", "User", "Owner"),
            field("CreatedDate", Kind::DateTime),
        ],
    },
    Object {
        name: "Contact",
        plural: "Contacts",
        prefix: "003",
        fields: &[
            field("Id", Kind::Id),
            field("Name", Kind::Text),
            field("FirstName", Kind::Text),
            required("LastName", Kind::Text),
            field("Email", Kind::Text),
            field("Phone", Kind::Text),
            reference("AccountId", "Account", "Account"),
            reference("OwnerId", "User", "Owner"),
            field("CreatedDate", Kind::DateTime),
        ],
    },
    Object {
        name: "Opportunity",
        plural: "Opportunities",
        prefix: "006",
        fields: &[
            field("Id", Kind::Id),
            required("Name", Kind::Text),
            required("StageName", Kind::Text),
            field("Amount", Kind::Number),
            required("CloseDate", Kind::Date),
            field("IsClosed", Kind::Bool),
            field("IsWon", Kind::Bool),
            reference("AccountId", "Account", "Account"),
            reference("OwnerId", "User", "Owner"),
            field("CreatedDate", Kind::DateTime),
        ],
    },
    Object {
        name: "Invoice__c",
        plural: "Invoices",
        prefix: "a00",
        fields: &[
            field("Id", Kind::Id),
            field("Name", Kind::Text),
            field("Amount__c", Kind::Number),
            field("Paid__c", Kind::Bool),
            field("Due__c", Kind::Date),
            reference("Account__c", "Account", "Account__r"),
            reference("OwnerId", "User", "Owner"),
            field("CreatedDate", Kind::DateTime),
        ],
    },
    Object {
        name: "ApexClass",
        plural: "Apex Classes",
        prefix: "01p",
        fields: &[
            field("Id", Kind::Id),
            required("Name", Kind::Text),
            field("NamespacePrefix", Kind::Text),
            field("ApiVersion", Kind::Number),
            field("Status", Kind::Text),
            required("Body", Kind::Text),
            field("CreatedDate", Kind::DateTime),
        ],
    },
];

/// The Apex classes.
pub(super) const CLASSES: [&str; 2] = ["Greeter", "GreeterTest"];

const PLACES: [&str; 10] = [
    "Zürich", "Portland", "Lisbon", "Osaka", "Bergen", "Austin", "Nairobi", "Lyon", "Cork", "Quito",
];
const TRADES: [&str; 7] = [
    "Timber", "Optics", "Foods", "Robotics", "Freight", "Paper", "Energy",
];
const INDUSTRIES: [&str; 4] = ["Manufacturing", "Technology", "Transportation", "Energy"];
const FIRST_NAMES: [&str; 10] = [
    "Ada", "Grace", "Edsger", "Barbara", "Alan", "Radia", "Donald", "Frances", "Ken", "Hedy",
];
const LAST_NAMES: [&str; 9] = [
    "Lovelace", "Hopper", "Dijkstra", "Liskov", "Turing", "Perlman", "Knuth", "Allen", "O'Brien",
];
const STAGES: [&str; 5] = [
    "Prospecting",
    "Qualification",
    "Negotiation/Review",
    "Closed Won",
    "Closed Lost",
];
