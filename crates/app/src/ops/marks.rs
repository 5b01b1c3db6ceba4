//! Marks that people set in the lists of an app: of what Keymint cannot see by itself, that it is done.

use keymint_domain::id::AppId;
use keymint_store::ticks::{self, Tick};

use crate::App;
use crate::ops::{Actor, Change, OpError};

/// What somebody says of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is done.
    Done,
    /// It is not.
    Open,
}

impl Mark {
    /// The mark of that name in a form.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "done" => Some(Self::Done),
            "open" => Some(Self::Open),
            _ => None,
        }
    }
}

impl From<bool> for Mark {
    fn from(is_done: bool) -> Self {
        if is_done { Self::Done } else { Self::Open }
    }
}

/// Sets the mark of an item. One that is done stays as it was first said.
///
/// # Errors
/// `OpError::Store`.
pub async fn set(
    app: &App,
    change: &mut Change<'_>,
    actor: Actor,
    (id, list, item): (AppId, &str, &str),
    mark: Mark,
) -> Result<(), OpError> {
    match mark {
        Mark::Done => {
            let tick = Tick { item: item.to_owned(), at: app.clock.now(), by: actor.name() };
            ticks::put(change.conn(), id, list, &tick).await?;
        }
        Mark::Open => {
            ticks::remove(change.conn(), id, list, item).await?;
        }
    }
    Ok(())
}
