//! A route that ends in a BigQuery table: its options, and which routes cannot stand beside each other.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Place, Route};
use crate::bigquery::{Format, LoadOptions, PartitionTemplate, TableId, option_names};
use crate::error::ConfigError;

/// The most load jobs of one table in a day, failed ones included
/// ([quotas](https://cloud.google.com/bigquery/quotas#load_jobs)).
const JOBS_PER_DAY: u32 = 1500;

/// The same of a table that is partitioned by a column: modifications of its partitions
/// ([quotas](https://cloud.google.com/bigquery/quotas#partitioned_tables)).
const PARTITION_JOBS_PER_DAY: u32 = 30_000;

/// Unless the route says otherwise: 200 of a day's are left for whatever else loads into the table.
const LOADS_PER_DAY: u32 = 1300;

/// For how many seconds a batch gathers, unless the route says otherwise.
const LOAD_EVERY: u32 = 60;

/// And the longest.
const LONGEST_LOAD_EVERY: u32 = 3600;

/// The options of a table that are not BigQuery's own.
const OWN: [&str; 7] = [
    "landing",
    "location",
    "on_overwrite",
    "partition",
    "format",
    "load_every",
    "loads_per_day",
];

/// The table that a route's copies are loaded into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRoute {
    /// The table.
    pub id: TableId,
    /// The location of its dataset.
    pub location: String,
    /// What happens to the rows of a key that changes.
    pub on_overwrite: OnOverwrite,
    /// Which partition a file's rows belong to, as its name says; `None`: the table is loaded as a whole.
    pub partition: Option<PartitionTemplate>,
    /// The format of all files; `None`: that which each file's name ends in.
    pub format: Option<Format>,
    /// For how many seconds a batch gathers under load: 1 to 3,600.
    pub load_every: u32,
    /// The most load jobs in a day: 1 to 1,500, or to 30,000 for a table that is partitioned by a column.
    pub loads_per_day: u32,
    /// How the files are read.
    pub options: LoadOptions,
}

/// What happens to the rows of a key whose object changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnOverwrite {
    /// They stay, and the new version goes to quarantine: keys are written once.
    Refuse,
    /// They stay, and the rows of the new version are added.
    Append,
    /// The partition, or the table, is loaded again: it has the rows of what the bucket has.
    Replace,
}

impl OnOverwrite {
    /// As a route has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Append => "append",
            Self::Replace => "replace",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        let all = [Self::Refuse, Self::Append, Self::Replace];
        all.into_iter().find(|known| known.name() == word)
    }
}

impl TableRoute {
    /// The format of the file `name`; `None` where neither the route nor the name says one.
    #[must_use]
    pub fn format_of(&self, name: &str) -> Option<Format> {
        self.format.or_else(|| Format::of_name(name))
    }

    /// All its options, by name, as the route's table of configuration has them, with defaults.
    #[must_use]
    pub fn options(&self) -> Map<String, Value> {
        let mut all = Map::new();
        for (name, value) in self.options.iter() {
            all.insert(name.to_owned(), value.clone());
        }
        let partition = self.partition.as_ref().map(PartitionTemplate::as_str);
        let texts = [
            ("location", Some(&*self.location)),
            ("on_overwrite", Some(self.on_overwrite.name())),
            ("partition", partition),
            ("format", self.format.map(Format::name)),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                all.insert(name.to_owned(), text.into());
            }
        }
        for (name, number) in [
            ("load_every", self.load_every),
            ("loads_per_day", self.loads_per_day),
        ] {
            all.insert(name.to_owned(), number.into());
        }
        all
    }

    /// Takes what is about a table out of a route's table of configuration, and leaves its landing place
    /// as the destination. `None` for a route that ends in a bucket.
    ///
    /// # Errors
    /// What is wrong with an option.
    pub(super) fn take(table: &mut Value) -> Result<Option<Arc<Self>>, String> {
        let Some(table) = table.as_object_mut() else {
            return Ok(None);
        };
        let destination = table.get("destination").and_then(Value::as_str);
        let Some(uri) = destination.filter(|uri| uri.starts_with("bigquery:")) else {
            let mut names = OWN.into_iter().chain(option_names());
            return match names.find(|name| table.contains_key(*name)) {
                None => Ok(None),
                Some(name) => Err(format!(
                    "{name} is for a route into a table, and this one's destination is a bucket: say destination = \"bigquery://<project>/<dataset>/<table>\", or take it out."
                )),
            };
        };
        let id = TableId::parse(uri).map_err(|wrong| format!("destination {wrong}"))?;
        let mut route = Self {
            id,
            location: String::new(),
            on_overwrite: OnOverwrite::Refuse,
            partition: None,
            format: None,
            load_every: LOAD_EVERY,
            loads_per_day: LOADS_PER_DAY,
            options: LoadOptions::default(),
        };
        route.read(table)?;
        Ok(Some(Arc::new(route)))
    }

    /// Reads all but the table's name.
    fn read(&mut self, table: &mut Map<String, Value>) -> Result<(), String> {
        let landing = text(table, "landing")?.ok_or(
            "landing is missing: say landing = \"gs://bucket/prefix/\", where the verified copies are that are loaded.",
        )?;
        table.insert("destination".to_owned(), landing.into());
        self.location = text(table, "location")?.unwrap_or_default();
        if !is_location(&self.location) {
            return Err("location is missing, or not a location: say that of the dataset, such as \"EU\" or \"europe-west1\".".into());
        }
        if let Some(word) = text(table, "on_overwrite")? {
            self.on_overwrite = OnOverwrite::parse(&word)
                .ok_or("on_overwrite is not \"refuse\", \"append\" or \"replace\".")?;
        }
        if let Some(template) = text(table, "partition")? {
            let template = PartitionTemplate::parse(&template);
            self.partition = Some(template.map_err(|wrong| format!("partition {wrong}"))?);
        }
        if let Some(name) = text(table, "format")? {
            let format = Format::parse(&name);
            self.format =
                Some(format.ok_or("format is not one of ndjson, csv, parquet, avro, orc.")?);
        }
        number(
            table,
            "load_every",
            &mut self.load_every,
            LONGEST_LOAD_EVERY,
        )?;
        number(
            table,
            "loads_per_day",
            &mut self.loads_per_day,
            PARTITION_JOBS_PER_DAY,
        )?;
        if self.loads_per_day > JOBS_PER_DAY && self.partition.is_none() {
            return Err(format!(
                "loads_per_day is over {JOBS_PER_DAY}, which only a table takes that is partitioned by a column: say partition as well, or lower it."
            ));
        }
        self.options = LoadOptions::take(table, self.format)?;
        let deletes = table.get("deletes").and_then(Value::as_str);
        if deletes == Some("propagate") && self.on_overwrite != OnOverwrite::Replace {
            return Err(format!(
                "deletes = \"propagate\" needs on_overwrite = \"replace\": with {:?} rows are only ever added.",
                self.on_overwrite.name()
            ));
        }
        Ok(())
    }
}

fn text(table: &mut Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match table.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name} is not a text.")),
    }
}

fn number(
    table: &mut Map<String, Value>,
    name: &str,
    number: &mut u32,
    most: u32,
) -> Result<(), String> {
    let Some(value) = table.remove(name) else {
        return Ok(());
    };
    let found = value.as_u64().and_then(|found| found.try_into().ok());
    let found = found.filter(|found| (1..=most).contains(found));
    *number = found.ok_or_else(|| format!("{name} is not 1 to {most}."))?;
    Ok(())
}

/// As locations are called: `EU`, `europe-west1`.
fn is_location(location: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (2..=64).contains(&location.len()) && location.bytes().all(fits)
}

/// What `error` names as the options of a route, and those of a table besides.
pub(super) fn with_options(error: &str) -> String {
    let names: Vec<_> = OWN.into_iter().chain(option_names()).collect();
    format!("{error}, or, for a table, one of {}", names.join(", "))
}

/// Whether two places share names.
fn overlap(one: &Place, other: &Place) -> bool {
    one.bucket == other.bucket
        && (one.prefix.starts_with(&other.prefix) || other.prefix.starts_with(&one.prefix))
}

/// Whether `route` can stand beside the `others`.
///
/// # Errors
/// [`ConfigError`] where two routes land in one place and one of them is loaded from there: each file of
/// the other would be loaded as well; where two load into one table and one of them replaces: it would
/// remove the other's rows; and where those of one table may load more often than it takes.
pub(super) fn check_beside(route: &Route, others: &[Arc<Route>]) -> Result<(), ConfigError> {
    let wrong = |message: String| Err(ConfigError::new(route.variable(), message));
    for other in others {
        if (route.table.is_some() || other.table.is_some())
            && overlap(&route.destination, &other.destination)
        {
            return wrong(format!(
                "lands where {} has its copies, gs://{}/{}: a landing place is one route's alone. Give each a prefix of its own.",
                other.variable(),
                other.destination.bucket,
                other.destination.prefix,
            ));
        }
    }
    let Some(table) = &route.table else {
        return Ok(());
    };
    let mut loads = table.loads_per_day;
    let mut is_partitioned = loads > JOBS_PER_DAY;
    for other in others {
        let Some(theirs) = other.table.as_deref().filter(|other| other.id == table.id) else {
            continue;
        };
        if [table, theirs]
            .iter()
            .any(|one| one.on_overwrite == OnOverwrite::Replace)
        {
            return wrong(format!(
                "loads into the table of {}, and one of the two replaces rows: it would remove the other's. Use one route for both, or two tables.",
                other.variable()
            ));
        }
        loads = loads.saturating_add(theirs.loads_per_day);
        is_partitioned |= theirs.loads_per_day > JOBS_PER_DAY;
    }
    let most = if is_partitioned {
        PARTITION_JOBS_PER_DAY
    } else {
        JOBS_PER_DAY
    };
    if loads > most {
        return wrong(format!(
            "may load into {} so often that all routes into it come to {loads} jobs a day, and it takes {most}: set loads_per_day in each.",
            table.id
        ));
    }
    Ok(())
}

impl Route {
    /// What follows the landing prefix in `name`, a name at the destination.
    #[must_use]
    pub fn landed<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(&*self.destination.prefix)
    }
}

#[cfg(test)]
mod tests;
