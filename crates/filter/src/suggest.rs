//! What was meant by a name that nothing has, for messages such as `nearest: role`.

use marcato_core::nearest::nearest;

/// The host that is most likely meant by `word`: one whose first label it is, else the one whose
/// name is nearest, in full or by its first label.
#[must_use]
pub fn identity<'a>(
    word: &str,
    identities: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    let label = |name: &'a str| name.split('.').next().unwrap_or(name);
    let mut by_label = identities.clone().into_iter();
    if let Some(found) = by_label.find(|name| label(name).eq_ignore_ascii_case(word)) {
        return Some(found);
    }
    if let Some(found) = nearest(word, identities.clone()) {
        return Some(found);
    }
    let close = nearest(word, identities.clone().into_iter().map(label))?;
    identities.into_iter().find(|name| label(name) == close)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_were_meant() {
        let hosts = ["db1.example.com", "web1.example.com", "web2.example.com"];
        let check = |word, want| assert_eq!(identity(word, hosts), want, "{word}");
        check("web1", Some("web1.example.com"));
        check("WEB2", Some("web2.example.com"));
        check("web2.exmaple.com", Some("web2.example.com"));
        check("wbe1", Some("web1.example.com"));
        check("mail", None);
    }
}
