//! `/proc/PID/cgroup` (cgroups(7)): which unit a process belongs to.

/// What a process belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// A service of the host.
    Service(String),
    /// A user's session: a login's scope, or the user's own service manager with all below it.
    Session(String),
    /// A unit that is no service, such as a scope or systemd's own.
    Unit(String),
    /// No unit.
    Nothing,
}

impl Owner {
    /// Reads the file: the path in systemd's own hierarchy (version 1), else in the one of version 2.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let path = |hierarchy: &str| {
            text.lines().find_map(|line| line.split_once(':')?.1.strip_prefix(hierarchy))
        };
        path("name=systemd:").or_else(|| path(":")).map_or(Self::Nothing, Self::of_path)
    }

    /// The first unit of a path that is no slice; what a unit makes below itself is its own affair.
    fn of_path(path: &str) -> Self {
        let mut parts = path.split('/').filter(|part| !part.is_empty()).map(unescaped);
        let mut of_user = false;
        let unit = parts.find(|part| match part.strip_suffix(".slice") {
            Some(slice) => {
                of_user |= slice == "user" || slice.starts_with("user-");
                false
            }
            None => true,
        });
        let Some(unit) = unit.filter(|unit| unit.rsplit_once('.').is_some_and(is_unit)) else {
            return Self::Nothing;
        };
        let unit = unit.to_owned();
        if of_user || unit.starts_with("user@") {
            Self::Session(unit)
        } else if unit.ends_with(".service") {
            Self::Service(unit)
        } else {
            Self::Unit(unit)
        }
    }
}

/// A group whose name the kernel might take as its own has a `_` in front.
fn unescaped(part: &str) -> &str {
    part.strip_prefix('_').unwrap_or(part)
}

fn is_unit((name, kind): (&str, &str)) -> bool {
    !name.is_empty() && matches!(kind, "service" | "scope" | "socket" | "mount" | "swap")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, want: Owner) {
        assert_eq!(Owner::parse(text), want, "{text}");
    }

    #[test]
    fn owners() {
        let service = |name: &str| Owner::Service(name.to_owned());
        let session = |name: &str| Owner::Session(name.to_owned());
        let unit = |name: &str| Owner::Unit(name.to_owned());
        check("0::/system.slice/nginx.service\n", service("nginx.service"));
        let both = "9:name=systemd:/system.slice/a.service\n8:pids:/\n0::/system.slice/b.service\n";
        check(both, service("a.service"));
        check("3:cpu,cpuacct:/x\n1:name=systemd:/system.slice/ssh.service", service("ssh.service"));
        check(
            "0::/system.slice/system-postfix.slice/postfix@-.service",
            service("postfix@-.service"),
        );
        check("0::/system.slice/docker.service/payload/x.scope", service("docker.service"));
        check("0::/system.slice/_cpu.service", service("cpu.service"));
        check("0::/system.slice/a:b.service", service("a:b.service"));
        check("0::/user.slice/user-0.slice/session-3.scope", session("session-3.scope"));
        let user = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/gvim.service";
        check(user, session("user@1000.service"));
        check("0::/init.scope", unit("init.scope"));
        check("0::/machine.slice/machine-web1.scope/x", unit("machine-web1.scope"));
        check("0::/system.slice/data.mount", unit("data.mount"));
        for text in
            ["", "0::/", "0::/system.slice", "8:pids:/x.service", "0", "0::", "0::/docker/ab.c"]
        {
            check(text, Owner::Nothing);
        }
    }

    proptest! {
        #[test]
        fn a_service_is_found_in_any_slice(
            slices in prop::collection::vec("[a-t][a-z]{0,8}", 0..4),
            name in "[a-z][a-z0-9@:-]{0,20}",
            below in "(/[a-z.]{1,9}){0,3}",
        ) {
            prop_assume!(!name.starts_with("user@"));
            let slices: String = slices.iter().map(|name| format!("/{name}.slice")).collect();
            let text = format!("0::{slices}/{name}.service{below}\n");
            prop_assert_eq!(Owner::parse(&text), Owner::Service(format!("{name}.service")));
        }

        #[test]
        fn any_text_is_taken(text: String) {
            let _ = Owner::parse(&text);
        }
    }
}
