//! KPay's test numbers: the phone number says what becomes of a payment or a payout (vendors sheet 2.6). Other numbers wait
//! for a customer who never comes.

/// What becomes of a payment or a payout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is paid.
    Completed,
    /// It fails, for this reason.
    Failed(&'static str),
    /// Nothing: it stays as it is.
    Waits,
}

/// The numbers of a country: what they begin with, and the endings of payments and of payouts.
struct Country {
    name: &'static str,
    base: &'static str,
    payments: &'static [&'static str],
    payouts: &'static [&'static str],
}

const fn country(
    (name, base): (&'static str, &'static str),
    payments: &'static [&'static str],
    payouts: &'static [&'static str],
) -> Country {
    Country { name, base, payments, payouts }
}

/// Payouts of most countries.
const USUAL: &[&str] = &["089", "119", "129", "789"];

const COUNTRIES: [Country; 12] = [
    country(("BEN", "22951345"), &["029", "039", "069", "129", "789"], USUAL),
    country(("CMR", "237653456"), &["019", "029", "039", "069", "129", "789"], USUAL),
    country(("CIV", "2250503456"), &["029", "039", "069", "129", "789"], USUAL),
    country(("COD", "243813456"), &["019", "029", "039", "049", "069", "129", "789"], USUAL),
    country(("GAB", "24174345"), &["048", "068", "128", "678"], &["088", "118", "128", "678"]),
    country(
        ("KEN", "254703456"),
        &["019", "039", "049", "059", "069", "129", "789"],
        &["089", "099", "109", "119", "129", "789"],
    ),
    country(("COG", "242053456"), &["039", "049", "069", "129", "789"], USUAL),
    country(("RWA", "250733456"), &["039", "049", "069", "129", "789"], USUAL),
    country(("SEN", "221763456"), &["049", "069", "129", "789"], &["119", "129", "789"]),
    country(("SLE", "23276123"), &["456"], &["456"]),
    country(("UGA", "256753456"), &["019", "039", "049", "069", "129", "789"], &["089", "099", "119", "129", "789"]),
    country(("ZMB", "260973456"), &["019", "039", "049", "069", "129", "789"], USUAL),
];

/// What the endings mean. Gabon's numbers are one lower than those of the others, Sierra Leone has one.
const ENDINGS: [(&[&str], Outcome); 11] = [
    (&["789", "678", "456"], Outcome::Completed),
    (&["019"], Outcome::Failed("PAYER_LIMIT_REACHED")),
    (&["029"], Outcome::Failed("PAYER_NOT_FOUND")),
    (&["039"], Outcome::Failed("PAYMENT_NOT_APPROVED")),
    (&["049", "048"], Outcome::Failed("INSUFFICIENT_BALANCE")),
    (&["059"], Outcome::Failed("TRANSACTION_ALREADY_IN_PROCESS")),
    (&["069", "068", "119", "118"], Outcome::Failed("UNSPECIFIED_FAILURE")),
    (&["089", "088"], Outcome::Failed("RECIPIENT_NOT_FOUND")),
    (&["099"], Outcome::Failed("WALLET_LIMIT_REACHED")),
    (&["109"], Outcome::Failed("RECIPIENT_LIMIT_REACHED")),
    (&["129", "128"], Outcome::Waits),
];

/// The country of a test number; nothing for any other number.
pub fn country_of(phone: &str) -> Option<&'static str> {
    COUNTRIES.iter().find_map(|country| {
        let ending = phone.strip_prefix(country.base)?;
        (country.payments.contains(&ending) || country.payouts.contains(&ending)).then_some(country.name)
    })
}

/// What becomes of a payment (`payment`) or a payout (`payout`) with this number.
pub fn outcome(kind: &str, phone: &str) -> Outcome {
    let ending = COUNTRIES.iter().find_map(|country| {
        let ending = phone.strip_prefix(country.base)?;
        let known = if kind == "payout" { country.payouts } else { country.payments };
        known.contains(&ending).then_some(ending)
    });
    let meant = ending.and_then(|ending| ENDINGS.iter().find(|(endings, _)| endings.contains(&ending)));
    meant.map_or(Outcome::Waits, |(_, outcome)| *outcome)
}

/// What docs/sandbox/kpay.md has to say of the numbers: the countries, and what each of their endings means.
#[cfg(test)]
pub fn documented() -> Vec<crate::sandbox::documented::Row> {
    use crate::sandbox::documented::{Row, quoted};
    let mut rows = Vec::new();
    for country in &COUNTRIES {
        rows.push(Row::new(country.name, &[(1, quoted(country.base))]));
        rows.push(Row::new(country.name, &[(2, country.payments.join(" ")), (3, country.payouts.join(" "))]));
        for (column, kind, endings) in [(1, "payment", country.payments), (2, "payout", country.payouts)] {
            rows.extend(endings.iter().flat_map(|ending| {
                let phone = format!("{}{ending}", country.base);
                let said = match outcome(kind, &phone) {
                    Outcome::Completed => vec!["COMPLETED"],
                    Outcome::Failed(reason) => vec!["FAILED", reason],
                    Outcome::Waits => vec!["PENDING"],
                };
                said.into_iter().map(move |word| Row::new(&quoted(ending), &[(column, quoted(word))]))
            }));
        }
    }
    rows
}
