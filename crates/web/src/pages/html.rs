//! Messages on pages: `html!` in a template, where `say!` stands in Rust. What it gives is HTML already and is not
//! escaped again; what is filled in was escaped on the way.

use std::borrow::Cow;
use std::fmt;

use askama::filters::HtmlSafe;
use askama::{FastWritable, Values};
use keymint_app::words::{self, Value};

/// A message as HTML: `html!("id")`; with what is filled in, `html!("id", name = self.name)`; and behind a semicolon with
/// the one attribute of each tag in it: where a link leads, the moment of a time, the id of a code, `html!("id"; a = href)`.
macro_rules! html {
    ($id:literal) => {{
        // A row of a long list says the same as the one above: it is looked up once for each place that says it.
        static WORDS: std::sync::OnceLock<&'static str> = std::sync::OnceLock::new();
        $crate::pages::html::Html::whole(WORDS.get_or_init(|| keymint_app::words::whole_html($id)))
    }};
    ($id:literal $(, $name:ident = $value:expr)* $(; $($tag:ident = $of:expr),+)?) => {
        $crate::pages::html::Html::new(
            $id,
            &[$((stringify!($name), keymint_app::words::Argument::value(&$value))),*],
            &[$($((stringify!($tag), AsRef::<str>::as_ref(&$of))),+)?],
        )
    };
}

/// A message, escaped.
pub struct Html(Cow<'static, str>);

impl Html {
    /// A message without arguments and without links.
    pub fn whole(words: &'static str) -> Self {
        Self(Cow::Borrowed(words))
    }

    /// What `html!` makes.
    pub fn new(id: &'static str, arguments: &[(&'static str, Value<'_>)], tags: &[(&'static str, &str)]) -> Self {
        if tags.is_empty() {
            return Self(words::html(id, arguments, &[]));
        }
        let attribute = |(tag, of): &(&'static str, &str)| {
            let of = words::escaped(of);
            let attribute = match *tag {
                "a" => format!(" href=\"{of}\""),
                "time" => format!(" datetime=\"{of}\" title=\"{of}\""),
                _ => format!(" id=\"{of}\""),
            };
            (*tag, attribute)
        };
        let attributes: Vec<_> = tags.iter().map(attribute).collect();
        Self(words::html(id, arguments, &attributes))
    }
}

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FastWritable for Html {
    fn write_into(&self, to: &mut dyn fmt::Write, _: &dyn Values) -> askama::Result<()> {
        Ok(to.write_str(&self.0)?)
    }
}

impl HtmlSafe for Html {}
