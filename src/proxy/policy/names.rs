//! Names by which denied data is to be had as well.

/// The objects whose changes, shares or feed are in the records of `object`, if that is such a one:
/// `Payroll__c` of `Payroll__History`, `Contact` of `ContactFeed`.
///
/// They may have sources themselves: `CaseHistory2` of `CaseHistory2ChangeEvent`.
pub(super) fn sources(object: &str) -> Vec<String> {
    // `Payroll__hd` may be of `Payroll__c`, and `Contact__hd` of `Contact`.
    if let Some(rest) = strip_end(object, "__hd") {
        return vec![format!("{rest}__c"), rest.to_owned()];
    }
    let mut found = Vec::new();
    let mut object = object;
    loop {
        if let Some(article) = strip_one(object, &OF_ARTICLES) {
            found.push(format!("{article}__kav"));
            return found;
        }
        let Some(rest) = strip_one(object, &SUFFIXES) else {
            return found;
        };
        match rest.strip_suffix("__") {
            // `Knowledge__Feed` is of articles.
            Some(custom) => found.extend([format!("{custom}__c"), format!("{custom}__kav")]),
            None => found.push(rest.to_owned()),
        }
        object = rest;
    }
}

fn strip_one<'a>(text: &'a str, ends: &[&str]) -> Option<&'a str> {
    ends.iter().find_map(|end| strip_end(text, end))
}

/// The field in which the id behind this relationship is: `AccountId`, `Boss__c` of `Boss__r`.
pub(super) fn lookup(relationship: &str) -> String {
    match strip_end(relationship, "__r") {
        Some(custom) => format!("{custom}__c"),
        None => format!("{relationship}Id"),
    }
}

/// The object and field of which `field` has a part, or which has a part of it: an address and its
/// city, a name and the first name.
pub(super) fn related(object: &str, field: &str) -> Vec<(String, String)> {
    let parts = parts(field).into_iter();
    parts.map(|field| (object.to_owned(), field)).collect()
}

/// What has the same data where the contact of a person account has `field` of it, or the account `field` of
/// its contact: fields of the other object, and those that they have to do with.
///
/// The `Name` of an account is left out: that of a business has nothing to do with a contact.
pub(super) fn of_person(object: &str, field: &str) -> Vec<(&'static str, String)> {
    if is_account(object) {
        let whole = in_contact(field).into_iter();
        let all = whole.flat_map(|whole| [parts(&whole), vec![whole]].concat());
        return all.map(|field| (CONTACT, field)).collect();
    }
    if is_contact(object) {
        let all = [parts(field), vec![field.to_owned()]].concat();
        let all = all.iter().flat_map(|field| in_account(field));
        return all.map(|field| (ACCOUNT, field)).collect();
    }
    Vec::new()
}

pub(super) fn is_account(object: &str) -> bool {
    object.eq_ignore_ascii_case(ACCOUNT)
}

pub(super) fn is_contact(object: &str) -> bool {
    object.eq_ignore_ascii_case(CONTACT)
}

/// Returns whether only an account of a person has this field, which is one of its contact.
pub(super) fn is_of_contact(field: &str) -> bool {
    !is_in(&SHARED, field) && !in_contact(field).is_empty()
}

/// Returns whether a person account and its contact both have what is `field` in the account.
pub(super) fn is_shared_by_persons(field: &str) -> bool {
    !in_contact(field).is_empty()
}

/// The names in a contact of what is `field` in the account of that person. Of a place, more than one has the
/// form.
fn in_contact(field: &str) -> Vec<String> {
    if let Some(custom) = strip_end(field, "__pc") {
        return vec![format!("{custom}__c"), format!("{custom}__s")];
    }
    if is_in(&NAME, field) || is_in(&SHARED, field) {
        return vec![field.to_owned()];
    }
    // Custom fields may have any name.
    let standard = field.split_at_checked(PERSON.len());
    let standard = standard.filter(|(person, rest)| {
        person.eq_ignore_ascii_case(PERSON) && !rest.is_empty() && !rest.contains("__")
    });
    standard
        .map(|(_, rest)| rest.to_owned())
        .into_iter()
        .collect()
}

/// The names in the account of a person of what is `field` in the contact.
fn in_account(field: &str) -> Vec<String> {
    let custom = strip_end(field, "__c").or_else(|| strip_end(field, "__s"));
    if let Some(custom) = custom {
        return vec![format!("{custom}__pc")];
    }
    if is_in(&NAME, field) || is_in(&SHARED, field) {
        return vec![field.to_owned()];
    }
    vec![format!("{PERSON}{field}")]
}

fn is_in(names: &[&str], field: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(field))
}

fn parts(field: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(part) = strip_end(field, "__s") {
        // `Place__Latitude__s`
        let whole = part.rsplit_once("__").map(|(whole, _)| whole);
        found.extend(whole.map(|whole| format!("{whole}__c")));
    }
    if let Some(whole) = strip_end(field, "__c") {
        found.extend(ADDRESS.iter().map(|part| format!("{whole}__{part}__s")));
    }
    if let Some(prefix) = strip_end(field, "Address") {
        found.extend(ADDRESS.iter().map(|part| format!("{prefix}{part}")));
    }
    for part in ADDRESS {
        found.extend(strip_end(field, part).map(|prefix| format!("{prefix}Address")));
    }
    if field.eq_ignore_ascii_case("Name") {
        found.extend(NAME.map(str::to_owned));
    }
    if is_in(&NAME, field) {
        found.push("Name".to_owned());
    }
    found
}

pub(super) fn strip_end<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(end.len())?;
    let (start, found) = text.split_at_checked(at)?;
    found.eq_ignore_ascii_case(end).then_some(start)
}

/// Object Reference, *Associated Objects*. The longer ones come first.
const SUFFIXES: [&str; 8] = [
    "FieldHistory",
    "History2",
    "History",
    "Share",
    "Feed",
    "ChangeEvent",
    "CleanInfo",
    "Tag",
];

/// Object Reference, *Knowledge Objects*, such as `Knowledge__ViewStat`.
const OF_ARTICLES: [&str; 5] = [
    "__DataCategorySelection",
    "__VersionHistory",
    "__ViewStat",
    "__VoteStat",
    "__ka",
];

/// Object Reference, *Compound Fields*.
const ADDRESS: [&str; 9] = [
    "Street",
    "City",
    "State",
    "StateCode",
    "PostalCode",
    "Country",
    "CountryCode",
    "Latitude",
    "Longitude",
];

pub(super) const CONTACT: &str = "Contact";
pub(super) const ACCOUNT: &str = "Account";

/// Before the names of standard fields: Object Reference, *Person Account Fields*.
const PERSON: &str = "Person";

/// Fields that a person account and its contact have in common, and that a business has as well.
const SHARED: [&str; 2] = ["Phone", "Fax"];

const NAME: [&str; 5] = [
    "Salutation",
    "FirstName",
    "MiddleName",
    "LastName",
    "Suffix",
];
