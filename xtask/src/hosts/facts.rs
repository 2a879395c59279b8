//! What mcod finds on a Debian host beside what Debian's facter prints on the same host: written down by
//! `cargo xtask hosts facts` for `docs/reference/facts.md`, and judged by `cargo xtask hosts test`.

use super::error::{Error, Result, file};
use super::{Programs, base, mount, run};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long apt may take for its lists or for the installation: facter brings Ruby.
const INSTALL_LIMIT: Duration = Duration::from_secs(300);

/// To be counted up when the layer with facter is made in another way, so that an old one is not used
/// again.
const REVISION: &str = "1";

/// How long everything else may take.
const LIMIT: Duration = Duration::from_secs(60);

/// The namespace in which the host has its network.
const NETWORK: &str = "mco-facts";

/// The addresses of the host's first interface.
const ADDRESSES: [(&str, &[&str]); 2] =
    [("10.77.1.11/24", &[]), ("2001:db8:77::11/64", &["nodad"])];

/// Where the comparison is kept.
pub const RECORD: &str = "docs/reference/facts.json";

/// Asks both, and writes down what they say.
///
/// # Errors
/// As [`ask_both`].
pub fn record(dir: &Path, programs: &Programs, root: &Path) -> Result<()> {
    base::check_filesystem(dir)?;
    fs::create_dir_all(dir).map_err(file("make", dir))?;
    let text = format!("{:#}\n", ask_both(dir, &programs.mcod())?);
    let record = root.join(RECORD);
    fs::write(&record, text).map_err(file("write", &record))?;
    eprintln!("wrote {RECORD}; now run: cargo xtask generate");
    Ok(())
}

/// Makes a host with facter on it and asks both.
///
/// # Errors
/// When there is no mirror, or one of the two says nothing that can be read.
pub fn ask_both(dir: &Path, mcod: &Path) -> Result<Value> {
    let base = base::ensure(dir)?;
    let under = [with_facter(dir, &base)?, base];
    let folder = dir.join("facts");
    let said = on_tree(&folder, &under, |tree| {
        configure(tree)?;
        compare(tree, mcod)
    });
    clean(&folder)?;
    said
}

/// Does something on a tree over others, which `clean` takes away.
fn on_tree<T>(folder: &Path, under: &[PathBuf], act: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    clean(folder)?;
    let [up, work, tree] = ["up", "work", "root"].map(|name| folder.join(name));
    for path in [&up, &work, &tree] {
        fs::create_dir_all(path).map_err(file("make", path))?;
    }
    mount::overlay(under, &up, &work, &tree)?;
    let done = act(&tree);
    done.and_then(|done| mount::unmount_below(folder).map(|()| done))
}

/// The layer over a base tree that has facter in it; made once for that tree.
fn with_facter(dir: &Path, base: &Path) -> Result<PathBuf> {
    let layer = dir.join(format!("facter-{REVISION}-{}", base::key()));
    if layer.exists() {
        return Ok(layer);
    }
    for old in fs::read_dir(dir).map_err(file("read", dir))?.flatten() {
        if old.file_name().to_string_lossy().starts_with("facter-") {
            fs::remove_dir_all(old.path()).map_err(file("remove", old.path()))?;
        }
    }
    let partial = dir.join("facter.partial");
    on_tree(&partial, &[base.to_owned()], install)?;
    // Renamed only when it is whole: an interrupted run leaves nothing that looks finished.
    fs::rename(partial.join("up"), &layer).map_err(file("rename", &partial))?;
    clean(&partial)?;
    Ok(layer)
}

fn clean(folder: &Path) -> Result<()> {
    if Path::new("/run/netns").join(NETWORK).exists() {
        run::checked(&["ip", "netns", "delete", NETWORK], LIMIT)?;
    }
    if folder.exists() {
        mount::unmount_below(folder)?;
        fs::remove_dir_all(folder).map_err(file("remove", folder))?;
    }
    Ok(())
}

/// Gives a tree facter, and keys for SSH.
fn install(tree: &Path) -> Result<()> {
    let resolver = tree.join("etc/resolv.conf");
    fs::copy("/etc/resolv.conf", &resolver).map_err(file("copy to", &resolver))?;
    let root = tree.to_string_lossy();
    let apt = ["chroot", &root, "apt-get", "--quiet", "--yes"];
    run::checked(&[&apt[..], &["update"]].concat(), INSTALL_LIMIT)?;
    // Facter asks the last two for mounts and for what is called lsb, and is silent without them.
    let facter = ["facter", "iproute2", "ruby-sys-filesystem", "lsb-release"];
    let wanted = [&["--no-install-recommends", "install", "openssh-server"][..], &facter].concat();
    run::checked(&[&apt[..], &wanted].concat(), INSTALL_LIMIT).map(drop)
}

/// Gives a tree a name, what mcod needs, and a network.
fn configure(tree: &Path) -> Result<()> {
    let resolver = tree.join("etc/resolv.conf");
    fs::write(&resolver, "search example.com\n").map_err(file("write", &resolver))?;
    let hosts = tree.join("etc/hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n10.77.1.11 web1.example.com web1\n")
        .map_err(file("write", &hosts))?;
    // Without Facter's help, that is.
    let key = tree.join("etc/ssh/ssh_host_ed25519_key.pub");
    let key = fs::read_to_string(&key).map_err(file("read", &key))?;
    let config = tree.join("etc/marcato/node.toml");
    let settings = format!(
        "collective = 'x'\nbroker = 'nats://127.0.0.1:4222'\nauthority = '{}'\nfacter = false\n",
        key.trim()
    );
    fs::create_dir_all(tree.join("etc/marcato")).map_err(file("make", &config))?;
    fs::write(&config, settings).map_err(file("write", &config))?;
    let ip = |arguments: &[&str]| {
        run::checked(&[&["ip", "-netns", NETWORK][..], arguments].concat(), LIMIT)
    };
    run::checked(&["ip", "netns", "add", NETWORK], LIMIT)?;
    ip(&["link", "set", "lo", "up"])?;
    // Two ends of one cable: one with addresses, one without.
    let ends = [["eth0", "02:00:00:00:77:11"], ["eth1", "02:00:00:00:77:12"]];
    let [[here, mac], [there, other_mac]] = ends;
    let peer = ["type", "veth", "peer", "name", there, "address", other_mac];
    ip(&[&["link", "add", here, "address", mac][..], &peer].concat())?;
    for end in [here, there] {
        ip(&["link", "set", end, "addrgenmode", "none"])?;
    }
    for (address, flags) in ADDRESSES {
        ip(&[&["address", "add", address, "dev", "eth0"][..], flags].concat())?;
    }
    for end in [here, there] {
        ip(&["link", "set", end, "up"])?;
    }
    ip(&["route", "add", "default", "via", "10.77.1.1", "dev", "eth0"]).map(drop)
}

fn compare(tree: &Path, mcod: &Path) -> Result<Value> {
    let ask = |argv: &[&str]| -> Result<String> {
        let tree = tree.to_string_lossy();
        let network = format!("--network-namespace-path=/run/netns/{NETWORK}");
        let program = format!("--bind-ro={}:/usr/local/bin/mcod", mcod.display());
        // Quiet, for its own words would stand among the answer's.
        let nspawn = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--as-pid2"];
        let host = ["--directory", &tree, "--machine=web1", "--console=pipe", &network, &program];
        let said = run::checked(&[&nspawn[..], &host, argv].concat(), LIMIT)?;
        // Where the tree lies on this machine is nothing of the host.
        let here = Path::new(&*tree).ancestors().nth(2).unwrap_or(Path::new("/"));
        let here = here.to_string_lossy();
        Ok(said.replace(&*here, "/host"))
    };
    let facts = |argv: &[&str]| {
        serde_json::from_str::<Value>(&ask(argv)?)
            .map_err(|error| Error::Machine(format!("{}: {error}", argv.join(" "))))
    };
    let version = ask(&["/usr/bin/facter", "--version"])?;
    let mut facter = facts(&["/usr/bin/facter", "--json", "--show-legacy"])?;
    let mut mcod = facts(&["/usr/local/bin/mcod", "facts", "--json"])?;
    // What is of this one host alone, and long.
    for said in [&mut facter, &mut mcod] {
        shorten(said);
    }
    let date = run::checked(&["date", "--utc", "+%Y-%m-%d"], LIMIT)?;
    Ok(json!({ "date": date, "version": version.trim(), "facter": facter, "mcod": mcod }))
}

/// Cuts long texts, the same ones to the same: keys and lists of options.
fn shorten(value: &mut Value) {
    /// The longest text that is kept, in characters.
    const LONGEST: usize = 120;
    match value {
        Value::String(text) if text.chars().count() > LONGEST => {
            let end: String = text.chars().skip(text.chars().count() - 8).collect();
            let beginning: String = text.chars().take(LONGEST - 8).collect();
            *text = format!("{beginning}…{end}");
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(entries) => entries.values_mut().for_each(shorten),
        _ => {}
    }
}
