//! Records, by path, id or list.

use super::{
    super::{
        ask::Ask,
        json::Json,
        judge::{Judge, Judged, Object, is_name},
        names,
    },
    objects,
};
use crate::proxy::{path::is, target::Target};

/// A record, with the fields in the parameter `fields`, or all of them.
pub(super) fn read(judge: Judge<'_>, ask: &Ask<'_>, object: &str) -> Judged {
    let object = Object::of(object);
    judge.read(ask, object)?;
    let Object::Named(object) = object else {
        return Ok(());
    };
    match ask.one("fields") {
        Ok(None) => judge.read_all(ask, object),
        Ok(Some(fields)) => read_fields(judge, ask, object, fields.split(',')),
        Err(why) => judge.unclear(ask, why),
    }
}

/// The ids of records that were changed or deleted.
pub(in crate::proxy::policy) fn read_ids(
    judge: Judge<'_>,
    ask: &dyn std::fmt::Display,
    object: Object<'_>,
) -> Judged {
    judge.read(ask, object)?;
    match object {
        Object::Named(object) => judge.read_field(ask, object, "Id"),
        _ => Ok(()),
    }
}

/// Records, with fields that the org chooses.
pub(super) fn read_recent(judge: Judge<'_>, ask: &Ask<'_>, object: &str) -> Judged {
    let object = Object::of(object);
    judge.read(ask, object)?;
    match object {
        Object::Named(object) => judge.read_all(ask, object),
        _ => Ok(()),
    }
}

/// The numbers of records of the objects in the parameter `sObjects`, or of all.
pub(super) fn count(judge: Judge<'_>, ask: &Ask<'_>) -> Judged {
    if !judge.limits_reading() {
        return Ok(());
    }
    match ask.one("sObjects") {
        Ok(Some(objects)) => objects
            .split(',')
            .try_for_each(|object| judge.read(ask, Object::of(object.trim()))),
        Ok(None) => judge.read(ask, Object::Unknown),
        Err(why) => judge.unclear(ask, why),
    }
}

/// Records by a list of ids.
pub(super) fn retrieve(judge: Judge<'_>, ask: &Ask<'_>, object: &str, body: &Json) -> Judged {
    let object = Object::of(object);
    judge.read(ask, object)?;
    let (Object::Named(object), Some(fields)) = (object, body.list("fields")) else {
        return judge.unclear(ask, "its body does not list fields");
    };
    let fields = fields.iter().map(|field| match field {
        Json::Text(field) => field.as_str(),
        _ => "",
    });
    read_fields(judge, ask, object, fields)
}

pub(in crate::proxy::policy) fn read_fields<'f>(
    judge: Judge<'_>,
    ask: &dyn std::fmt::Display,
    object: &str,
    mut fields: impl Iterator<Item = &'f str>,
) -> Judged {
    if !judge.limits_reading() {
        return Ok(());
    }
    fields.try_for_each(|field| match field.trim() {
        field if is_name(field) => judge.read_field(ask, object, field),
        _ => judge.unclear(ask, "it names a field of another object"),
    })
}

/// The object in the path.
pub(super) fn write(judge: Judge<'_>, ask: &Ask<'_>, object: &str, body: Option<&Json>) -> Judged {
    judge.write(ask, Object::of(object))?;
    external_id(judge, ask, object)?;
    fields(judge, ask, Object::of(object), body, Below::Nothing)
}

pub(super) fn write_id(judge: Judge<'_>, ask: &Ask<'_>, id: &str, body: Option<&Json>) -> Judged {
    let object = objects::of_id(id);
    judge.write(ask, object)?;
    if !ask.only_deletes() {
        shown_after(judge, ask)?;
    }
    let record = body.and_then(|body| body.get("fields")).or(body);
    fields(judge, ask, object, record, Below::Nothing)
}

/// `{ "apiName": "Account", "fields": { … } }`
pub(super) fn write_for_ui(judge: Judge<'_>, ask: &Ask<'_>, _: &str, body: &Json) -> Judged {
    let object = body.text("apiName").map_or(Object::Unknown, Object::of);
    judge.write(ask, object)?;
    shown_after(judge, ask)?;
    fields(judge, ask, object, body.get("fields"), Below::Nothing)
}

/// The UI API answers with the whole record, and with names of others.
fn shown_after(judge: Judge<'_>, ask: &Ask<'_>) -> Judged {
    judge.read(ask, Object::Unknown)
}

/// A list of records, each with its type.
pub(super) fn write_all(judge: Judge<'_>, ask: &Ask<'_>, object: &str, body: &Json) -> Judged {
    external_id(judge, ask, object)?;
    write_listed(judge, ask, object, body, Below::Nothing)
}

/// What the fields of a record may hold besides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    Nothing,
    /// Lists of the records below it.
    Records,
}

/// The records in `records`; they are of `object`, too, if that is given.
fn write_listed(
    judge: Judge<'_>,
    ask: &Ask<'_>,
    object: &str,
    body: &Json,
    below: Below,
) -> Judged {
    let Some(records) = body.list("records") else {
        return judge.unclear(ask, "its body has no records");
    };
    for record in records {
        if !object.is_empty() {
            judge.write(ask, Object::of(object))?;
        }
        let object = type_of(record);
        judge.write(ask, object)?;
        fields(judge, ask, object, Some(record), below)?;
    }
    Ok(())
}

/// Records, and records below them.
pub(super) fn write_tree(judge: Judge<'_>, ask: &Ask<'_>, object: &str, body: &Json) -> Judged {
    judge.write(ask, Object::of(object))?;
    write_listed(judge, ask, "", body, Below::Records)?;
    for record in body.list("records").unwrap_or_default() {
        for (relationship, value) in record.entries() {
            // Whatever else there is beside them.
            if let Some(children) = value.list("records") {
                lead_back(judge, ask, record, relationship, children)?;
                write_tree(judge, ask, object, value)?;
            }
        }
    }
    Ok(())
}

/// The field by which the records below one lead back to it is written, too.
fn lead_back(
    judge: Judge<'_>,
    ask: &Ask<'_>,
    parent: &Json,
    relationship: &str,
    children: &[Json],
) -> Judged {
    let Object::Named(parent) = type_of(parent) else {
        return Ok(());
    };
    let lookup = objects::lookup_of_children(relationship, parent);
    for child in children {
        let Object::Named(child) = type_of(child) else {
            continue;
        };
        match &lookup {
            Some(lookup) => judge.write_field(ask, child, lookup)?,
            None if judge.limits_fields_of(child) => {
                let why = format!("it cannot be told which field {relationship} writes");
                return judge.unclear(ask, why);
            }
            None => {}
        }
    }
    Ok(())
}

/// The records in the parameter `ids`.
pub(super) fn delete(judge: Judge<'_>, ask: &Ask<'_>) -> Judged {
    judge.leaves_trace(ask)?;
    match ask.one("ids") {
        Ok(Some(ids)) => ids
            .split(',')
            .try_for_each(|id| judge.write(ask, objects::of_id(id.trim()))),
        Ok(None) => judge.unclear(ask, "it names no ids"),
        Err(why) => judge.unclear(ask, why),
    }
}

/// The fields that a record sets.
fn fields(
    judge: Judge<'_>,
    ask: &Ask<'_>,
    object: Object<'_>,
    record: Option<&Json>,
    below: Below,
) -> Judged {
    if !judge.limits_fields_written_to(object) || ask.only_deletes() {
        return Ok(());
    }
    let (Object::Named(object), Some(Json::Object(fields))) = (object, record) else {
        return judge.unclear(ask, "the fields that it writes cannot be told");
    };
    for (field, value) in fields {
        let has_below = value.list("records").is_some();
        if has_below && below == Below::Nothing {
            return judge.unclear(
                ask,
                format!("{field} has records, which only a tree may have"),
            );
        }
        let is_list = has_below && value.entries().len() == 1 && !judge.denies_named(field);
        if field.eq_ignore_ascii_case("attributes") || is_list {
            continue;
        }
        judge.write_field(ask, object, field)?;
        // A record by its external id, instead of its id.
        if let (Json::Object(parts), true) = (value, judge.limits_written_fields()) {
            judge.write_field(ask, object, &names::lookup(field))?;
            let parts = parts.iter().map(|(name, _)| name.as_str());
            let parts = parts.filter(|name| !name.eq_ignore_ascii_case("attributes"));
            judge.find(ask, field, parts)?;
        }
    }
    Ok(())
}

/// The field in the path: the record is found by it, which is to read it, and created with it.
fn external_id(judge: Judge<'_>, ask: &Ask<'_>, object: &str) -> Judged {
    if !judge.limits_fields_written_to(Object::of(object)) {
        return Ok(());
    }
    for path in ask.readings().unwrap_or_default() {
        let field = match &Target::parse(&path).below(&path).collect::<Vec<_>>()[..] {
            [first, _, field, _, ..] if is(Some(first), "sobjects") => *field,
            [first, second, _, field, ..]
                if is(Some(first), "composite") && is(Some(second), "sobjects") =>
            {
                *field
            }
            _ => continue,
        };
        // An id, before `password`.
        if field.first().is_some_and(u8::is_ascii_digit) {
            continue;
        }
        let field = String::from_utf8_lossy(field);
        judge.write_field(ask, object, &field)?;
        judge.read_field(ask, object, &field)?;
    }
    Ok(())
}

/// `{ "attributes": { "type": "Account" } }`
fn type_of(record: &Json) -> Object<'_> {
    let attributes = record.get("attributes");
    let name = attributes.and_then(|attributes| attributes.text("type"));
    name.map_or(Object::Unknown, Object::of)
}
