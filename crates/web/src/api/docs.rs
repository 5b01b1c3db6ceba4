//! The API reference as a page: rendered once, from the OpenAPI document, with a style sheet of its own and no script.

use std::fmt::Write;

use keymint_domain::reason::DenyReason;
use serde_json::Value;
use utoipa::openapi::OpenApi;

/// The style sheet.
pub const STYLE: &str = include_str!("../../assets/docs.css");

/// The first words of the document and of the page.
pub const INTRODUCTION: &str = "Keymint issues, rolls and revokes the credentials that merchants use on the gateway. \
Times are RFC 3339 in UTC. Lists answer `items` and `next_cursor`; send the cursor back as `cursor`. Every POST that \
makes something takes an `Idempotency-Key`. Unknown fields are refused.";

/// The stable codes of problems, and what they mean.
const CODES: [(&str, &str); 17] = [
    ("unauthorized", "The token is missing, malformed or not valid."),
    ("forbidden", "Only an operator token may do this."),
    ("not_found", "There is nothing of that id, or nothing that the token may see."),
    ("method_not_allowed", "The path exists, not for this method."),
    ("malformed_body", "The body is not a JSON object, or a member stands twice."),
    ("body_too_large", "The body is larger than 64 KiB."),
    ("invalid_query", "A query parameter is unknown or has a wrong value."),
    ("invalid_field", "A field is wrong; `field` names it."),
    ("email_taken", "Another merchant has this email address."),
    ("app_name_taken", "The merchant has an app of that name for this product."),
    ("app_disabled", "The app is disabled; enable it first."),
    ("activation_required", "Live credentials need an approved merchant."),
    ("credential_exists", "Every slot for active credentials is taken: roll or revoke."),
    ("credential_retiring", "The credential has a successor already."),
    ("credential_ended", "The credential was revoked or has expired; nothing brings it back."),
    ("idempotency_key_reused", "The Idempotency-Key was used for another request."),
    ("unavailable", "The store cannot be reached now; nothing was changed."),
];

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text with `code` in back-ticks.
fn prose(text: &str) -> String {
    let mut html = String::new();
    for (index, piece) in text.split('`').enumerate() {
        let piece = escape(piece);
        html.push_str(&if index % 2 == 1 { format!("<code>{piece}</code>") } else { piece });
    }
    html
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The page of a document.
pub fn page(document: &OpenApi) -> String {
    let document = serde_json::to_value(document).unwrap_or_default();
    let operations = operations(&document);
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>API reference · Keymint</title>\
         <link rel=\"icon\" href=\"/assets/icon.svg\" type=\"image/svg+xml\"><link rel=\"stylesheet\" href=\"/docs.css\"></head><body>\
         <a class=\"skip\" href=\"#main\">Skip to the reference</a>",
    );
    html.push_str(&navigation(&operations));
    let _ = write!(
        html,
        "<main id=\"main\"><header><h1>Management API</h1><p class=\"lead\">{}</p>\
         <p>Authenticate with <code>Authorization: Bearer …</code>. The document behind this page is \
         <a href=\"/openapi.json\">openapi.json</a>.</p></header>",
        prose(INTRODUCTION)
    );
    for operation in &operations {
        html.push_str(&section(&document, operation));
    }
    html.push_str(&tables());
    html.push_str("</main></body></html>");
    html
}

struct Operation<'v> {
    method: String,
    path: &'v str,
    tag: &'v str,
    value: &'v Value,
}

impl<'v> Operation<'v> {
    /// The first sentence of the summary, and what follows it.
    fn title(&self) -> (&'v str, &'v str) {
        let summary = text(self.value, "/summary");
        summary.split_once(". ").unwrap_or((summary.trim_end_matches('.'), ""))
    }

    fn anchor(&self) -> String {
        format!("{}{}", self.method, self.path.replace(['/', '{', '}'], "-"))
    }
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    let mut operations: Vec<Operation<'_>> = paths
        .flat_map(|(path, item)| {
            item.as_object().into_iter().flatten().filter(|(_, value)| value.get("responses").is_some()).map(
                move |(method, value)| Operation {
                    method: method.to_uppercase(),
                    path,
                    tag: text(value, "/tags/0"),
                    value,
                },
            )
        })
        .collect();
    let order = ["Merchants", "Apps", "Credentials", "Logs", "Tokens"];
    operations.sort_by_key(|operation| order.iter().position(|tag| *tag == operation.tag));
    operations
}

fn navigation(operations: &[Operation<'_>]) -> String {
    let mut html = String::from("<nav aria-label=\"Calls\"><a class=\"brand\" href=\"/docs\">Keymint</a>");
    let mut tag = "";
    for operation in operations {
        if operation.tag != tag {
            if !tag.is_empty() {
                html.push_str("</ul>");
            }
            tag = operation.tag;
            let _ = write!(html, "<h2>{}</h2><ul>", escape(tag));
        }
        let _ = write!(html, "<li><a href=\"#{}\">{}</a></li>", operation.anchor(), escape(operation.title().0));
    }
    html.push_str("</ul><h2>Lists</h2><ul><li><a href=\"#codes\">Error codes</a></li>");
    html.push_str("<li><a href=\"#reasons\">Reasons of denials</a></li></ul></nav>");
    html
}

fn section(document: &Value, operation: &Operation<'_>) -> String {
    let mut html = format!(
        "<section id=\"{}\"><h2>{}</h2><p class=\"call\"><span class=\"verb {}\">{}</span> <code>{}</code></p>",
        operation.anchor(),
        escape(operation.title().0),
        operation.method.to_lowercase(),
        operation.method,
        escape(operation.path)
    );
    for words in [operation.title().1, text(operation.value, "/description")] {
        if !words.is_empty() {
            let _ = write!(html, "<p>{}</p>", prose(words));
        }
    }
    html.push_str(&parameters(operation.value));
    if let Some(schema) = operation.value.pointer("/requestBody/content/application~1json/schema") {
        html.push_str(&members(document, "Body", schema));
    }
    let answers = operation.value.get("responses").and_then(Value::as_object).into_iter().flatten();
    for (status, response) in answers.filter(|(status, _)| status.starts_with('2')) {
        match response.pointer("/content/application~1json/schema") {
            Some(schema) => {
                let schema = resolve(document, schema);
                html.push_str(&members(document, &format!("Answer {status}"), schema));
                for (name, inner) in inner_objects(document, schema) {
                    html.push_str(&members(document, &format!("<code>{}</code>", escape(name)), inner));
                }
            }
            None => {
                let _ = write!(html, "<h3>Answer {status}</h3><p>No body.</p>");
            }
        }
    }
    html.push_str("</section>");
    html
}

/// What a parameter means: its own words, or those that hold everywhere.
fn meaning(parameter: &Value) -> &str {
    match (text(parameter, "/description"), text(parameter, "/name")) {
        ("", "cursor") => "Where the part before ended: its `next_cursor`.",
        ("", "limit") => "How many items: 1 to 100; 20 when absent.",
        ("", "id") => "The id.",
        ("", "key_id") => "The credential's key id.",
        ("", "mode") => "`test` or `live`.",
        ("", "reason") => "One of the reasons of denials.",
        ("", "since") => "From this moment on (RFC 3339).",
        ("", "until") => "Before this moment (RFC 3339).",
        (own, _) => own,
    }
}

fn parameters(operation: &Value) -> String {
    let Some(parameters) = operation.get("parameters").and_then(Value::as_array) else { return String::new() };
    let mut rows = String::new();
    for parameter in parameters {
        let _ = write!(
            rows,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            escape(text(parameter, "/name")),
            escape(text(parameter, "/in")),
            prose(meaning(parameter))
        );
    }
    format!(
        "<h3>Parameters</h3><div class=\"scroll\"><table><thead><tr><th>Name</th><th>In</th><th>Meaning</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

fn resolve<'v>(document: &'v Value, schema: &'v Value) -> &'v Value {
    let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { return schema };
    document.pointer(reference.trim_start_matches('#')).unwrap_or(schema)
}

fn kind(schema: &Value) -> String {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    match schema.get("type") {
        Some(Value::String(kind)) if kind == "array" => {
            format!("list of {}", kind_of_items(schema))
        }
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "object".to_owned(),
    }
}

fn kind_of_items(schema: &Value) -> String {
    schema.get("items").map(kind).unwrap_or_default()
}

fn members(document: &Value, title: &str, schema: &Value) -> String {
    let schema = resolve(document, schema);
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return String::new() };
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut rows = String::new();
    for (name, member) in properties {
        let is_needed = title != "Body" || required.contains(&name.as_str());
        let note = if is_needed { "" } else { "<span class=\"optional\">optional</span>" };
        let _ = write!(
            rows,
            "<tr><td><code>{}</code> {note}</td><td>{}</td><td>{}</td></tr>",
            escape(name),
            escape(&kind(member)),
            prose(text(member, "/description"))
        );
    }
    format!(
        "<h3>{title}</h3><div class=\"scroll\"><table><thead><tr><th>Member</th><th>Type</th><th>Meaning</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

/// The objects one level below: members that are objects, and the items of lists.
fn inner_objects<'v>(document: &'v Value, schema: &'v Value) -> Vec<(&'v str, &'v Value)> {
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    properties
        .map(|(name, member)| (name.as_str(), resolve(document, member.get("items").unwrap_or(member))))
        .filter(|(_, inner)| inner.get("properties").is_some())
        .collect()
}

fn tables() -> String {
    let mut html = String::from(
        "<section id=\"codes\"><h2>Error codes</h2><p>Errors are problems (RFC 9457) with a stable <code>code</code>, the <code>field</code> where there is one, and a <code>request_id</code>.</p><div class=\"scroll\"><table><thead><tr><th>Code</th><th>Meaning</th></tr></thead><tbody>",
    );
    for (code, meaning) in CODES {
        let _ = write!(html, "<tr id=\"{code}\"><td><code>{code}</code></td><td>{}</td></tr>", prose(meaning));
    }
    html.push_str("</tbody></table></div></section><section id=\"reasons\"><h2>Reasons of denials</h2><p>The gateway's decisions carry one of these in the request log and in the verify API. The caller sees what the product's dialect says.</p><p class=\"reasons\">");
    for reason in DenyReason::ALL {
        let _ = write!(html, "<code>{}</code> ", reason.as_str());
    }
    html.push_str("</p></section>");
    html
}
