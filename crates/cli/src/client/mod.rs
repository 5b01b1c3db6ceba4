//! The commands that talk to a running Keymint over HTTP.

pub mod app;
pub mod key;
pub mod listen;
pub mod merchant;
pub mod request;

use anyhow::{Context, Result};
use clap::Args;
use keymint_app::client::{EventStream, Management};
use keymint_domain::secret::SecretText;
use serde_json::Value;

/// What every command of the management API takes.
#[derive(Args)]
pub struct Remote {
    /// The management API
    #[arg(long, env = "KEYMINT_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

impl Remote {
    /// Makes a call with the token from the environment.
    ///
    /// # Errors
    /// What the API answers, or why it did not.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        Ok(self.management()?.call(method, path, body).await?)
    }

    fn management(&self) -> Result<Management> {
        let token = std::env::var("KEYMINT_TOKEN")
            .ok()
            .context("KEYMINT_TOKEN is not set; `keymint dev` prints one, an operator makes others")?;
        Ok(Management::new(&self.url, SecretText::new(token)))
    }

    /// Listens to a stream of events, from the one that was seen last on.
    ///
    /// # Errors
    /// As `call`.
    pub async fn stream(&self, path: &str, last: Option<&str>) -> Result<EventStream> {
        Ok(self.management()?.stream(path, last).await?)
    }

    /// Whether answers are JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Prints an answer: as JSON, or as the given members, one a line.
    pub fn print(&self, value: &Value, members: &[&str]) {
        if self.json {
            println!("{value}");
            return;
        }
        let width = members.iter().map(|member| member.len()).max().unwrap_or(0);
        for member in members {
            match value.get(*member) {
                None | Some(Value::Null) => {}
                Some(found) => println!("{member:<width$}  {}", plain(found)),
            }
        }
    }

    /// Prints a list: as JSON, or as a table of the given members.
    pub fn print_list(&self, value: &Value, members: &[&str]) {
        if self.json {
            println!("{value}");
            return;
        }
        let items = value.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut rows = vec![members.iter().map(|member| (*member).to_owned()).collect::<Vec<_>>()];
        rows.extend(
            items
                .iter()
                .map(|item| members.iter().map(|member| item.get(*member).map_or_else(String::new, plain)).collect()),
        );
        let widths: Vec<usize> = (0..members.len())
            .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max())
            .map(|width| width.unwrap_or(0))
            .collect();
        for row in &rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
        }
        if items.is_empty() {
            println!("(none)");
        }
        if let Some(cursor) = value.get("next_cursor").and_then(Value::as_str) {
            println!("more: --cursor {cursor}");
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// A path with the pieces of a list's position behind it.
pub fn page(path: &str, cursor: Option<&str>) -> String {
    match cursor {
        Some(cursor) => format!("{path}?limit=100&cursor={cursor}"),
        None => format!("{path}?limit=100"),
    }
}
