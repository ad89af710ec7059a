//! Names by which denied data is to be had as well.

/// The objects whose changes, shares or feed are in the records of `object`, if that is such a one:
/// `Payroll__c` of `Payroll__History`, `Contact` of `ContactFeed`.
pub(super) fn sources(object: &str) -> Vec<String> {
    // `Payroll__hd` may be of `Payroll__c`, and `Contact__hd` of `Contact`.
    if let Some(rest) = strip_end(object, "__hd") {
        return vec![format!("{rest}__c"), rest.to_owned()];
    }
    let mut suffixes = SUFFIXES.iter();
    let Some(rest) = suffixes.find_map(|suffix| strip_end(object, suffix)) else {
        return Vec::new();
    };
    vec![match rest.strip_suffix("__") {
        Some(custom) => format!("{custom}__c"),
        None => rest.to_owned(),
    }]
}

/// The field in which the id behind this relationship is: `AccountId`, `Boss__c` of `Boss__r`.
pub(super) fn lookup(relationship: &str) -> String {
    match strip_end(relationship, "__r") {
        Some(custom) => format!("{custom}__c"),
        None => format!("{relationship}Id"),
    }
}

/// The object and field of which `field` has a part, or which has a part of it: an address and its
/// city, a name and the first name, and what a person account has of its contact.
pub(super) fn related(object: &str, field: &str) -> Vec<(String, String)> {
    let mut related: Vec<_> = parts(field)
        .into_iter()
        .map(|field| (object.to_owned(), field))
        .collect();
    if object.eq_ignore_ascii_case("Account") {
        let of_contact = strip_end(field, "__pc").map(|custom| format!("{custom}__c"));
        let of_contact = of_contact.or_else(|| {
            let (person, rest) = field.split_at_checked("Person".len())?;
            (person.eq_ignore_ascii_case("Person") && !rest.is_empty()).then(|| rest.to_owned())
        });
        if let Some(field) = of_contact {
            let parts = parts(&field).into_iter().chain([field]);
            related.extend(parts.map(|field| ("Contact".to_owned(), field)));
        }
    }
    related
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
    if NAME.iter().any(|part| part.eq_ignore_ascii_case(field)) {
        found.push("Name".to_owned());
    }
    found
}

fn strip_end<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(end.len())?;
    let (start, found) = text.split_at_checked(at)?;
    found.eq_ignore_ascii_case(end).then_some(start)
}

/// Object Reference, *Associated Objects*. The longer ones come first.
const SUFFIXES: [&str; 7] = [
    "FieldHistory",
    "History",
    "Share",
    "Feed",
    "ChangeEvent",
    "CleanInfo",
    "Tag",
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

const NAME: [&str; 5] = [
    "Salutation",
    "FirstName",
    "MiddleName",
    "LastName",
    "Suffix",
];
