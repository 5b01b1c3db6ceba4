//! What can go wrong in the store. Absent is `None`, never an error; nothing here quotes a value.

use thiserror::Error;

/// Trouble with the store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A unique index refused the row. Which one is known by the statement.
    #[error("the statement {statement} met a row that is there already")]
    Unique {
        /// The statement's name.
        statement: &'static str,
    },
    /// A stored value is not what was written.
    #[error("column {column} of {table} holds a value that cannot be read")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The database cannot be reached, is full, or did not answer in time. Nothing was changed.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database refused a statement of ours: a fault of ours.
    #[error("the database refused {statement}: {cause}")]
    Driver {
        /// The statement's name.
        statement: &'static str,
        /// The database's own code or words, without values.
        cause: String,
    },
    /// Another process owns this database.
    #[error("another Keymint runs on this database; stop it first, or talk to it over its management API")]
    Owned,
    /// The schema is newer than this program, or was edited.
    #[error("the database's schema does not fit this program: {0}")]
    Schema(String),
}
