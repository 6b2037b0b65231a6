//! Schemas: read from and written as the API's `TableSchema`, and how one may become another
//! (<https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#TableFieldSchema>,
//! <https://cloud.google.com/bigquery/docs/managing-table-schemas>).

use serde_json::{Map, Value, json};

/// RECORDs may nest this deep.
const DEPTH: usize = 15;
/// A field's name may have this many characters.
const NAME_LIMIT: usize = 300;

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the type of its name")]
pub enum Kind {
    String,
    Bytes,
    Integer,
    Float,
    Boolean,
    Timestamp,
    Date,
    Time,
    Datetime,
    Numeric,
    Bignumeric,
    Json,
    Geography,
    Record,
}

/// The API's name of each type and the other name that it takes for it.
const KINDS: [(Kind, &str, &str); 14] = [
    (Kind::String, "STRING", "STRING"),
    (Kind::Bytes, "BYTES", "BYTES"),
    (Kind::Integer, "INTEGER", "INT64"),
    (Kind::Float, "FLOAT", "FLOAT64"),
    (Kind::Boolean, "BOOLEAN", "BOOL"),
    (Kind::Timestamp, "TIMESTAMP", "TIMESTAMP"),
    (Kind::Date, "DATE", "DATE"),
    (Kind::Time, "TIME", "TIME"),
    (Kind::Datetime, "DATETIME", "DATETIME"),
    (Kind::Numeric, "NUMERIC", "DECIMAL"),
    (Kind::Bignumeric, "BIGNUMERIC", "BIGDECIMAL"),
    (Kind::Json, "JSON", "JSON"),
    (Kind::Geography, "GEOGRAPHY", "GEOGRAPHY"),
    (Kind::Record, "RECORD", "STRUCT"),
];

impl Kind {
    /// The name by which the API calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        KINDS
            .iter()
            .find(|(kind, ..)| *kind == self)
            .map_or("", |(_, name, _)| name)
    }

    /// The name by which SQL calls it.
    #[must_use]
    pub fn sql_name(self) -> &'static str {
        match self {
            Self::Integer => "INT64",
            Self::Float => "FLOAT64",
            Self::Boolean => "BOOL",
            Self::Record => "STRUCT",
            other => other.name(),
        }
    }

    fn of(name: &str) -> Option<Self> {
        let known = |(_, one, other): &&(Self, &str, &str)| {
            name.eq_ignore_ascii_case(one) || name.eq_ignore_ascii_case(other)
        };
        KINDS.iter().find(known).map(|(kind, ..)| *kind)
    }
}

/// Whether a field must have a value, or may have many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// It may be NULL.
    #[default]
    Nullable,
    /// It may not be NULL.
    Required,
    /// It is a list, of any length, none of whose values is NULL.
    Repeated,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Nullable => "NULLABLE",
            Self::Required => "REQUIRED",
            Self::Repeated => "REPEATED",
        }
    }
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name. No other field beside it has the same in upper case.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// Whether it must have a value, or may have many.
    pub mode: Mode,
    /// The fields of a RECORD.
    pub fields: Vec<Field>,
    /// Digits in all, of a NUMERIC or BIGNUMERIC with a precision.
    pub precision: Option<u32>,
    /// Digits behind the point, of a NUMERIC or BIGNUMERIC with a scale.
    pub scale: Option<u32>,
    /// The most characters of a STRING, or bytes of BYTES.
    pub max_length: Option<u64>,
    /// What else the API was told: description, policy tags and so on.
    pub rest: Map<String, Value>,
}

/// The fields of a table, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema(pub Vec<Field>);

/// What a load job may change in a table's schema.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SchemaChange {
    /// `ALLOW_FIELD_ADDITION`
    pub add: bool,
    /// `ALLOW_FIELD_RELAXATION`
    pub relax: bool,
}

impl Field {
    /// A NULLABLE field.
    #[must_use]
    pub fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            mode: Mode::Nullable,
            fields: Vec::new(),
            precision: None,
            scale: None,
            max_length: None,
            rest: Map::new(),
        }
    }

    /// The same field in another mode.
    #[must_use]
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    pub(crate) fn is_repeated(&self) -> bool {
        self.mode == Mode::Repeated
    }

    fn read(value: &Value, depth: usize) -> Result<Self, String> {
        let Value::Object(said) = value else {
            return Err("Schema field is not an object.".into());
        };
        let name = said.get("name").and_then(Value::as_str).unwrap_or_default();
        check_name(name)?;
        let kind_name = said.get("type").and_then(Value::as_str).unwrap_or_default();
        let kind = Kind::of(kind_name).ok_or_else(|| {
            format!("Invalid value for type: {kind_name} is not a valid value, or not one that this server has (field: {name})")
        })?;
        let mode = match said.get("mode").and_then(Value::as_str).unwrap_or_default() {
            "" | "NULLABLE" | "nullable" => Mode::Nullable,
            "REQUIRED" | "required" => Mode::Required,
            "REPEATED" | "repeated" => Mode::Repeated,
            other => {
                return Err(format!(
                    "Invalid value for mode: {other} is not a valid value"
                ));
            }
        };
        let fields = match (kind, said.get("fields").and_then(Value::as_array)) {
            (Kind::Record, Some(fields)) if !fields.is_empty() => read_fields(fields, depth)?,
            (Kind::Record, _) => {
                return Err(format!("Field {name} is type RECORD but has no schema"));
            }
            (_, Some(fields)) if !fields.is_empty() => {
                return Err(format!(
                    "Field {name} is of type {} and has fields",
                    kind.name()
                ));
            }
            _ => Vec::new(),
        };
        let number = |key: &str| match said.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => Ok(number.as_u64()),
            Some(Value::String(text)) => text
                .parse()
                .map(Some)
                .map_err(|_| format!("Invalid value for {key}: {text}")),
            Some(other) => Err(format!("Invalid value for {key}: {other}")),
        };
        let small =
            |key| number(key).map(|value| value.and_then(|value| u32::try_from(value).ok()));
        let known = [
            "name",
            "type",
            "mode",
            "fields",
            "precision",
            "scale",
            "maxLength",
        ];
        let rest = said
            .iter()
            .filter(|(key, value)| !known.contains(&key.as_str()) && !value.is_null());
        Ok(Self {
            name: name.to_owned(),
            kind,
            mode,
            fields,
            precision: small("precision")?,
            scale: small("scale")?,
            max_length: number("maxLength")?,
            rest: rest
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        })
    }

    fn shown(&self) -> Value {
        let mut shown = self.rest.clone();
        shown.insert("name".into(), self.name.as_str().into());
        shown.insert("type".into(), self.kind.name().into());
        shown.insert("mode".into(), self.mode.name().into());
        if self.kind == Kind::Record {
            shown.insert(
                "fields".into(),
                self.fields.iter().map(Self::shown).collect(),
            );
        }
        let numbers = [
            ("precision", self.precision.map(u64::from)),
            ("scale", self.scale.map(u64::from)),
            ("maxLength", self.max_length),
        ];
        for (key, number) in numbers {
            if let Some(number) = number {
                shown.insert(key.into(), number.to_string().into());
            }
        }
        Value::Object(shown)
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let starts = name.starts_with(|first: char| first.is_alphabetic() || first == '_');
    let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !starts || !plain || name.chars().count() > NAME_LIMIT {
        return Err(format!(
            "Invalid field name \"{name}\". Fields must contain only letters, numbers, and underscores, start with a letter or underscore, and be at most {NAME_LIMIT} characters long."
        ));
    }
    Ok(())
}

fn read_fields(fields: &[Value], depth: usize) -> Result<Vec<Field>, String> {
    let deeper = depth
        .checked_sub(1)
        .ok_or_else(|| format!("The schema nests deeper than {DEPTH} levels."))?;
    let fields = fields
        .iter()
        .map(|field| Field::read(field, deeper))
        .collect::<Result<Vec<_>, _>>()?;
    for (at, field) in fields.iter().enumerate() {
        if fields[..at]
            .iter()
            .any(|other| same(&other.name, &field.name))
        {
            return Err(format!("Field {} already exists in schema", field.name));
        }
    }
    Ok(fields)
}

/// Whether two names are one to BigQuery.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

impl Schema {
    /// Reads a `TableSchema`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(value: &Value) -> Result<Self, String> {
        match value.get("fields") {
            None | Some(Value::Null) => Ok(Self::default()),
            Some(Value::Array(fields)) => read_fields(fields, DEPTH).map(Self),
            Some(_) => Err("Schema has no list of fields.".into()),
        }
    }

    /// As a `TableSchema`.
    #[must_use]
    pub fn shown(&self) -> Value {
        json!({ "fields": self.0.iter().map(Field::shown).collect::<Vec<_>>() })
    }

    /// Where the field of that name is.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        position(&self.0, name)
    }

    /// The schema of a table that has this one, after a job or a request that comes with `next`; fields
    /// that `next` lacks stay where `keep_missing` is set, and are an error otherwise.
    ///
    /// # Errors
    /// The first difference that `allowed` does not cover.
    pub fn changed(
        &self,
        next: &Self,
        allowed: SchemaChange,
        keep_missing: bool,
    ) -> Result<Self, String> {
        merged(&self.0, &next.0, allowed, keep_missing, "").map(Self)
    }
}

/// Where among `fields` the one of that name is.
pub(crate) fn position(fields: &[Field], name: &str) -> Option<usize> {
    let exact = fields.iter().position(|field| field.name == name);
    exact.or_else(|| fields.iter().position(|field| same(&field.name, name)))
}

fn merged(
    now: &[Field],
    next: &[Field],
    allowed: SchemaChange,
    keep_missing: bool,
    path: &str,
) -> Result<Vec<Field>, String> {
    let mut all = Vec::with_capacity(next.len());
    for old in now {
        let at = format!("{path}{}", old.name);
        let Some(new) = position(next, &old.name).map(|at| &next[at]) else {
            if keep_missing && old.mode != Mode::Required {
                all.push(old.clone());
                continue;
            }
            if keep_missing && allowed.relax {
                all.push(old.clone().with_mode(Mode::Nullable));
                continue;
            }
            return Err(format!("Field {at} is missing in new schema"));
        };
        if old.kind != new.kind {
            return Err(format!(
                "Field {at} has changed type from {} to {}",
                old.kind.name(),
                new.kind.name()
            ));
        }
        let mode = match (old.mode, new.mode) {
            (one, other) if one == other => one,
            (Mode::Required, Mode::Nullable) if allowed.relax => Mode::Nullable,
            // What a file or a job does not demand, the table still does.
            (Mode::Nullable, Mode::Required) if keep_missing => Mode::Nullable,
            (one, other) => {
                return Err(format!(
                    "Field {at} has changed mode from {} to {}",
                    one.name(),
                    other.name()
                ));
            }
        };
        let mut field = old.clone().with_mode(mode);
        field.fields = merged(
            &old.fields,
            &new.fields,
            allowed,
            keep_missing,
            &format!("{at}."),
        )?;
        if !keep_missing {
            field.rest.clone_from(&new.rest);
        }
        all.push(field);
    }
    for new in next.iter().filter(|new| position(now, &new.name).is_none()) {
        let at = format!("{path}{}", new.name);
        if !allowed.add {
            return Err(format!("Cannot add fields (field: {at})"));
        }
        if new.mode == Mode::Required {
            return Err(format!(
                "Cannot add required fields to an existing schema. (field: {at})"
            ));
        }
        all.push(new.clone());
    }
    Ok(all)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::needless_pass_by_value)]
mod tests {
    use super::*;

    fn schema(value: Value) -> Schema {
        Schema::read(&json!({ "fields": value })).unwrap()
    }

    #[test]
    fn a_schema_is_shown_as_it_was_given() {
        let given = json!([
            { "name": "id", "type": "INT64", "mode": "REQUIRED", "description": "d" },
            { "name": "price", "type": "NUMERIC", "precision": "10", "scale": "2" },
            { "name": "sub", "type": "STRUCT", "mode": "REPEATED", "fields": [{ "name": "a", "type": "bool" }] },
        ]);
        let shown = schema(given).shown();
        assert_eq!(
            shown["fields"][0],
            json!({ "name": "id", "type": "INTEGER", "mode": "REQUIRED", "description": "d" })
        );
        assert_eq!(shown["fields"][1]["scale"], "2");
        assert_eq!(
            shown["fields"][2]["fields"][0],
            json!({ "name": "a", "type": "BOOLEAN", "mode": "NULLABLE" })
        );
        assert_eq!(Schema::read(&shown).unwrap().shown(), shown);
    }

    #[test]
    fn schemas_that_cannot_be_are_refused() {
        for fields in [
            json!([{ "name": "a", "type": "INT" }]),
            json!([{ "name": "1a", "type": "STRING" }]),
            json!([{ "name": "a", "type": "RECORD" }]),
            json!([{ "name": "a", "type": "STRING", "mode": "OPTIONAL" }]),
            json!([{ "name": "a", "type": "STRING" }, { "name": "A", "type": "STRING" }]),
        ] {
            assert!(
                Schema::read(&json!({ "fields": fields })).is_err(),
                "{fields}"
            );
        }
    }

    #[test]
    fn a_schema_changes_only_as_allowed() {
        let now = schema(
            json!([{ "name": "a", "type": "STRING", "mode": "REQUIRED" }, { "name": "r", "type": "RECORD", "fields": [{ "name": "x", "type": "DATE" }] }]),
        );
        let next = schema(
            json!([{ "name": "a", "type": "STRING" }, { "name": "r", "type": "RECORD", "fields": [{ "name": "x", "type": "DATE" }, { "name": "y", "type": "DATE" }] }]),
        );
        let change = |add, relax| now.changed(&next, SchemaChange { add, relax }, false);
        assert_eq!(change(true, true).unwrap(), next);
        assert_eq!(
            change(true, false).unwrap_err(),
            "Field a has changed mode from REQUIRED to NULLABLE"
        );
        assert_eq!(
            change(false, true).unwrap_err(),
            "Cannot add fields (field: r.y)"
        );
        let all = SchemaChange {
            add: true,
            relax: true,
        };
        let other = schema(json!([{ "name": "a", "type": "DATE" }]));
        assert_eq!(
            now.changed(&other, all, true).unwrap_err(),
            "Field a has changed type from STRING to DATE"
        );
        let required = schema(
            json!([{ "name": "r", "type": "RECORD", "fields": [{ "name": "x", "type": "DATE" }] }]),
        );
        assert_eq!(
            now.changed(&required, SchemaChange::default(), true)
                .unwrap_err(),
            "Field a is missing in new schema"
        );
        assert_eq!(
            now.changed(&required, all, true).unwrap().0[0].mode,
            Mode::Nullable
        );
    }
}
