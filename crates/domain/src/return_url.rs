//! Where a customer's browser goes back to after a hosted page: a URL that the merchant gave with its call. We never call
//! it, so it need not be public; but what a browser would run or read otherwise is none.

use thiserror::Error;
use url::Url;

/// Longest URL. Bytes.
const BYTES_MAX: usize = 2048;

/// A URL to go back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnUrl(Url);

/// It is none.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not an http or https URL without a name and password in it, of at most 2048 bytes")]
pub struct ReturnUrlError;

impl ReturnUrl {
    /// Reads one.
    ///
    /// # Errors
    /// `ReturnUrlError`.
    pub fn parse(text: &str) -> Result<Self, ReturnUrlError> {
        let is_odd = |character: char| character.is_whitespace() || character.is_control() || character == '\\';
        if text.len() > BYTES_MAX || text.chars().any(is_odd) {
            return Err(ReturnUrlError);
        }
        let url = Url::parse(text).map_err(|_| ReturnUrlError)?;
        let has_name = !url.username().is_empty() || url.password().is_some();
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || has_name {
            return Err(ReturnUrlError);
        }
        Ok(Self(url))
    }

    /// The one that a query names; the first of several.
    pub fn of_query(query: &str, name: &str) -> Option<Self> {
        let found = url::form_urlencoded::parse(query.as_bytes()).find(|(one, _)| one == name)?;
        Self::parse(&found.1).ok()
    }

    /// The URL as it is.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The URL with further pairs at the end of its query.
    pub fn with(&self, pairs: &[(&str, &str)]) -> String {
        let mut url = self.0.clone();
        url.query_pairs_mut().extend_pairs(pairs);
        url.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_sent_to_web_pages_alone_and_keeps_what_was_in_the_query() {
        let url = ReturnUrl::parse("https://m.example/r?cart=7#top").expect("a page");
        assert_eq!(
            url.with(&[("status", "A B"), ("sig", "&=")]),
            "https://m.example/r?cart=7&status=A+B&sig=%26%3D#top"
        );
        assert!(ReturnUrl::parse("http://127.0.0.1:9/r").is_ok(), "a developer's own machine");
        let long = format!("https://m.example/{}", "x".repeat(BYTES_MAX));
        for odd in [
            "",
            "/r",
            "//m.example/r",
            "m.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://m.example/",
            "https://a@m.example/",
            "https://a:b@m.example/",
            "https://m.example\\@x/",
            "https://m.example/\nx: y",
            " https://m.example/",
            &long,
        ] {
            assert_eq!(ReturnUrl::parse(odd), Err(ReturnUrlError), "{odd}");
        }
    }
}
