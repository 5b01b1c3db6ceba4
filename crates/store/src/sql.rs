//! Statements, values and rows: one small language over both drivers. With `lite.rs` and `postgres.rs` the only place
//! that names them.

use std::borrow::Cow;
use std::sync::OnceLock;

use rusqlite::types::ValueRef;

use crate::error::StoreError;

/// One statement, by name. The name is the label in errors, spans and metrics.
#[derive(Debug)]
pub struct Stmt {
    /// `table.verb`.
    pub name: &'static str,
    /// The text for SQLite.
    pub sqlite: &'static str,
    /// The text for PostgreSQL.
    pub postgres: &'static str,
    /// The names of the columns it gives, once it has run.
    columns: OnceLock<Vec<String>>,
}

impl Stmt {
    /// One text for both engines: the rule. `$1`, `$2` … in order of first use.
    pub const fn both(name: &'static str, text: &'static str) -> Self {
        Self::split(name, text, text)
    }

    /// Two texts, where the engines truly differ. The comment beside it names the difference.
    pub const fn split(name: &'static str, sqlite: &'static str, postgres: &'static str) -> Self {
        Self { name, sqlite, postgres, columns: OnceLock::new() }
    }

    /// The names of its columns; asked of the driver the first time. The migrations end before the first statement, so
    /// they do not change.
    pub(crate) fn columns(&'static self, ask: impl FnOnce() -> Vec<String>) -> &'static [String] {
        self.columns.get_or_init(ask)
    }
}

/// A value going in.
#[derive(Clone, Copy, Debug)]
pub enum Val<'a> {
    /// An integer, a time, a boolean as 0 or 1.
    Int(i64),
    /// The same, nullable.
    OptInt(Option<i64>),
    /// Text.
    Text(&'a str),
    /// The same, nullable.
    OptText(Option<&'a str>),
    /// Bytes.
    Blob(&'a [u8]),
}

/// The values of one column going in, one for each of many rows.
#[derive(Clone, Debug)]
pub enum Column<'a> {
    /// Integers.
    Int(Vec<i64>),
    /// The same, nullable.
    OptInt(Vec<Option<i64>>),
    /// Texts.
    Text(Vec<Cow<'a, str>>),
    /// The same, nullable.
    OptText(Vec<Option<&'a str>>),
}

/// A statement for many rows, and their values.
pub type Many<'a> = (&'static Stmt, &'a [Column<'a>]);

impl Column<'_> {
    /// How many rows it is for.
    pub fn len(&self) -> usize {
        match self {
            Self::Int(values) => values.len(),
            Self::OptInt(values) => values.len(),
            Self::Text(values) => values.len(),
            Self::OptText(values) => values.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of one row.
    pub fn value(&self, row: usize) -> Option<Val<'_>> {
        match self {
            Self::Int(values) => values.get(row).map(|value| Val::Int(*value)),
            Self::OptInt(values) => values.get(row).map(|value| Val::OptInt(*value)),
            Self::Text(values) => values.get(row).map(|value| Val::Text(value)),
            Self::OptText(values) => values.get(row).map(|value| Val::OptText(*value)),
        }
    }
}

/// A value coming out.
#[derive(Clone, Debug)]
pub enum Cell {
    /// SQL NULL.
    Null,
    /// An integer.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// A row. Values are taken by column name.
#[derive(Debug)]
pub struct Row {
    /// Where the row came from, for `StoreError::Corrupt`.
    pub statement: &'static str,
    /// The names of the columns.
    pub columns: &'static [String],
    /// Their values.
    pub cells: Vec<Cell>,
}

impl Row {
    fn cell(&self, column: &'static str) -> Result<&Cell, StoreError> {
        let place = self.columns.iter().position(|name| name == column);
        place.and_then(|place| self.cells.get(place)).ok_or(self.corrupt(column))
    }

    /// The error for a value of this row that cannot be read.
    pub fn corrupt(&self, column: &'static str) -> StoreError {
        StoreError::Corrupt { table: self.statement, column }
    }

    /// An integer.
    ///
    /// # Errors
    /// `StoreError::Corrupt` when the column is not there or is something else; so for the others.
    pub fn int(&self, column: &'static str) -> Result<i64, StoreError> {
        self.opt_int(column)?.ok_or(self.corrupt(column))
    }

    /// A nullable integer.
    ///
    /// # Errors
    /// As `int`.
    pub fn opt_int(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        match self.cell(column)? {
            Cell::Int(value) => Ok(Some(*value)),
            Cell::Null => Ok(None),
            Cell::Text(_) | Cell::Blob(_) => Err(self.corrupt(column)),
        }
    }

    /// Text.
    ///
    /// # Errors
    /// As `int`.
    pub fn text(&self, column: &'static str) -> Result<&str, StoreError> {
        self.opt_text(column)?.ok_or(self.corrupt(column))
    }

    /// Nullable text.
    ///
    /// # Errors
    /// As `int`.
    pub fn opt_text(&self, column: &'static str) -> Result<Option<&str>, StoreError> {
        match self.cell(column)? {
            Cell::Text(value) => Ok(Some(value)),
            Cell::Null => Ok(None),
            Cell::Int(_) | Cell::Blob(_) => Err(self.corrupt(column)),
        }
    }

    /// Nullable text as an owned string.
    ///
    /// # Errors
    /// As `int`.
    pub fn opt_string(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        Ok(self.opt_text(column)?.map(str::to_owned))
    }

    /// Bytes. Empty text counts as no bytes: both engines spell an empty literal so.
    ///
    /// # Errors
    /// As `int`.
    pub fn blob(&self, column: &'static str) -> Result<&[u8], StoreError> {
        match self.cell(column)? {
            Cell::Blob(value) => Ok(value),
            Cell::Text(value) if value.is_empty() => Ok(&[]),
            Cell::Null | Cell::Int(_) | Cell::Text(_) => Err(self.corrupt(column)),
        }
    }

    /// Text parsed into a type of the domain.
    ///
    /// # Errors
    /// As `int`; also when the text does not parse.
    pub fn parsed<T: std::str::FromStr>(&self, column: &'static str) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|_| self.corrupt(column))
    }
}

impl From<ValueRef<'_>> for Cell {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(value) => Self::Int(value),
            ValueRef::Real(_) => Self::Null,
            // What is well formed, as all that we wrote is, is looked at many bytes at a time.
            ValueRef::Text(bytes) => Self::Text(match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => String::from_utf8_lossy(bytes).into_owned(),
            }),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }
}
