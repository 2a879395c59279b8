//! Hosts made of a few files, and this one.

use std::fs;

use serde_json::json;

use super::*;

/// The facts of a host that has these files.
fn host(node: &str, machine: &str, files: &[(&str, &str)]) -> Facts {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let kernel = Kernel {
        name: "Linux".into(),
        node: node.into(),
        release: "6.1.0-37-amd64".into(),
        machine: machine.into(),
    };
    find(root.path(), &kernel, &[])
}

fn check(facts: &Facts, name: &str, want: Value) {
    assert_eq!(facts.get(name).cloned().unwrap_or_default(), want, "{name}");
}

#[test]
fn debian() {
    let facts = host(
        "WEB1",
        "x86_64",
        &[
            (
                "etc/os-release",
                "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n",
            ),
            ("etc/debian_version", "12.11\n"),
            ("etc/hosts", "127.0.0.1 localhost\n127.0.1.1 web1.example.com web1 # own\n"),
            ("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu hypervisor\nprocessor\t: 1\n"),
            ("sys/class/dmi/id/sys_vendor", "QEMU\n"),
        ],
    );
    check(&facts, "operatingsystem", json!("Debian"));
    check(&facts, "osfamily", json!("Debian"));
    check(&facts, "operatingsystemrelease", json!("12.11"));
    check(&facts, "operatingsystemmajrelease", json!("12"));
    check(&facts, "lsbdistcodename", json!("bookworm"));
    check(&facts, "kernel", json!("Linux"));
    check(&facts, "kernelrelease", json!("6.1.0-37-amd64"));
    check(&facts, "kernelversion", json!("6.1.0"));
    check(&facts, "kernelmajversion", json!("6.1"));
    check(&facts, "architecture", json!("amd64"));
    check(&facts, "hardwaremodel", json!("x86_64"));
    check(&facts, "hostname", json!("web1"));
    check(&facts, "domain", json!("example.com"));
    check(&facts, "fqdn", json!("web1.example.com"));
    check(&facts, "processorcount", json!(2));
    check(&facts, "virtual", json!("kvm"));
    check(&facts, "is_virtual", json!(true));
}

#[test]
fn other_systems() {
    let system = |files: &[(&str, &str)], want: [&str; 4]| {
        let facts = host("a.b", "x86_64", files);
        let names = ["operatingsystem", "osfamily", "operatingsystemrelease"];
        for (name, want) in names.into_iter().zip(want) {
            check(&facts, name, json!(want));
        }
        check(&facts, "operatingsystemmajrelease", json!(want[3]));
    };
    let release = |text| [("etc/os-release", text)];
    system(
        &[
            ("etc/os-release", "ID=debian\nVERSION_ID=\"8\"\nVERSION=\"8 (jessie)\"\n"),
            ("etc/debian_version", "8.5\n"),
        ],
        ["Debian", "Debian", "8.5", "8"],
    );
    system(&release("ID=ubuntu\nVERSION_ID=\"22.04\"\n"), ["Ubuntu", "Debian", "22.04", "22.04"]);
    system(
        &[
            ("usr/lib/os-release", "ID=\"rocky\"\nVERSION_ID=\"9.3\"\n"),
            ("etc/redhat-release", "Rocky Linux release 9.3 (Blue Onyx)\n"),
        ],
        ["Rocky", "RedHat", "9.3", "9"],
    );
    system(&release("ID=sles\nVERSION_ID=15.5\n"), ["SLES", "Suse", "15.5", "15"]);
    let old = host("a.b", "x86_64", &release("ID=debian\nVERSION=\"8 (jessie)\"\n"));
    check(&old, "lsbdistcodename", json!("jessie"));
    let unknown = host("a.b", "x86_64", &release("ID=plan9\n"));
    check(&unknown, "operatingsystem", json!("plan9"));
    check(&unknown, "osfamily", Value::Null);
    check(&unknown, "architecture", json!("x86_64"));
}

#[test]
fn names_and_domains() {
    let check = |node: &str, files: &[(&str, &str)], want: &str| {
        assert_eq!(host(node, "x86_64", files)["fqdn"], json!(want), "{node}");
    };
    check("web1.example.com", &[("etc/hosts", "::1 web1.other.org\n")], "web1.example.com");
    check("web1", &[("etc/resolv.conf", "nameserver ::1\nsearch lan. x.org\n")], "web1.lan");
    check("web1", &[("etc/resolv.conf", "search x.org\ndomain y.org\n")], "web1.y.org");
    check("web1", &[("etc/hosts", "127.0.0.1 web1.localdomain\n::1 web10.x.org\n")], "web1");
    check("web1", &[], "web1");
}

#[test]
fn an_empty_host_has_no_guesses() {
    let facts = host("x", "riscv64", &[]);
    let want = json!({
        "os": {"architecture": "riscv64", "hardware": "riscv64"},
        "architecture": "riscv64",
        "hardwaremodel": "riscv64",
        "networking": {"hostname": "x", "fqdn": "x"},
        "hostname": "x",
        "fqdn": "x",
        "kernel": "Linux",
        "kernelmajversion": "6.1",
        "kernelrelease": "6.1.0-37-amd64",
        "kernelversion": "6.1.0",
    });
    assert_eq!(json!(facts), want);
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(json!(measure(nothing.path())), json!({}));
}

#[test]
fn a_machine() {
    let facts = host(
        "web1",
        "x86_64",
        &[
            ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian 12\"\n"),
            ("etc/debian_version", "12.11\n"),
            ("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"),
            ("proc/cpuinfo", CPUS),
            ("sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n"),
            ("sys/devices/system/cpu/cpu0/topology/core_id", "0\n"),
            ("sys/devices/system/cpu/cpu1/topology/physical_package_id", "0\n"),
            ("sys/devices/system/cpu/cpu1/topology/core_id", "0\n"),
            ("sys/devices/system/cpu/cpufreq/x", ""),
            ("proc/meminfo", "MemTotal:       24684092 kB\nSwapTotal:             0 kB\n"),
            ("sys/class/dmi/id/sys_vendor", "Dell Inc.\n"),
            ("sys/class/dmi/id/chassis_type", "23\n"),
            ("sys/class/dmi/id/product_uuid", "4c4c\n"),
            ("sys/block/sda/device/model", "QEMU HARDDISK   \n"),
            ("sys/block/sda/size", "536870912\n"),
            ("sys/block/sda/queue/rotational", "1\n"),
            ("sys/block/loop0/size", "8\n"),
            ("proc/filesystems", "nodev\tsysfs\n\text4\n\tbtrfs\n\tfuseblk\n"),
            (
                "proc/self/mounts",
                "/dev/sda1 / ext4 rw,relatime 0 0\nproc /proc proc rw 0 0\nn:/x /my\\040home nfs4 rw 0 0\n",
            ),
            ("etc/ssh/ssh_host_ed25519_key.pub", KEY),
        ],
    );
    let distro = json!({"id": "Debian", "description": "Debian 12",
        "release": {"full": "12.11", "major": "12", "minor": "11"}});
    assert_eq!(facts["os"]["distro"], distro);
    check(&facts, "lsbdistdescription", json!("Debian 12"));
    let models = json!(["Xeon", "Xeon"]);
    let want = json!({"count": 2, "physicalcount": 1, "cores": 1, "threads": 2, "models": models});
    check(&facts, "processors", want);
    check(&facts, "processor1", json!("Xeon"));
    let memory = json!({"system": {"total": "23.54 GiB", "total_bytes": 25_276_510_208_u64}});
    check(&facts, "memory", memory);
    check(&facts, "memorysize", json!("23.54 GiB"));
    check(&facts, "memorysize_mb", json!(24105.55859375));
    let dmi = json!({"manufacturer": "Dell Inc.", "chassis": {"type": "Rack Mount Chassis"},
        "product": {"uuid": "4c4c"}});
    check(&facts, "dmi", dmi);
    check(&facts, "virtual", json!("physical"));
    check(&facts, "uuid", json!("4c4c"));
    let disk = json!({"model": "QEMU HARDDISK", "type": "hdd", "size": "256.00 GiB",
        "size_bytes": 274_877_906_944_u64});
    check(&facts, "disks", json!({"sda": disk}));
    check(&facts, "blockdevices", json!("sda"));
    check(&facts, "blockdevice_sda_size", json!(274_877_906_944_u64));
    check(&facts, "filesystems", json!("btrfs,ext4"));
    let mounts = facts["mountpoints"].as_object().unwrap();
    assert_eq!(mounts.keys().collect::<Vec<_>>(), ["/", "/my home"]);
    assert_eq!(mounts["/"]["options"], json!(["rw", "relatime"]));
    assert!(mounts["/"]["size_bytes"].as_u64().unwrap() > 0);
    let nfs = json!({"device": "n:/x", "filesystem": "nfs4", "options": ["rw"]});
    assert_eq!(mounts["/my home"], nfs);
    check(&facts, "timezone", json!("UTC"));
    check(&facts, "selinux", json!(false));
    let record = "SSHFP 4 2 4fb4af67672c96aa4f8fa9cace2b420471e5a55177af732f2f09852f47e4d081";
    check(&facts, "sshfp_ed25519", json!(record));
}

/// One number that the hub's reader refuses would cost the whole registration.
#[test]
fn a_disk_of_petabytes() {
    let files = [("sys/block/md0/device/model", ""), ("sys/block/md0/size", "35184372088832\n")];
    let facts = host("web1", "x86_64", &files);
    check(&facts, "blockdevice_md0_size", json!("18014398509481984"));
}

/// Two threads of one core.
const CPUS: &str = "processor\t: 0\nmodel name\t: Xeon\nphysical id\t: 0\n\n\
    processor\t: 1\nmodel name\t: Xeon\nphysical id\t: 0\n";

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ root@web1\n";

#[test]
fn interfaces_and_the_primary_one() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("proc/net/bonding")).unwrap();
    let bond = "Slave Interface: eth9\nPermanent HW addr: 02:00:00:00:00:99\n\n\
        Slave Interface: eth0\nPermanent HW addr: 02:00:00:00:00:77\n";
    fs::write(root.path().join("proc/net/bonding/bond0"), bond).unwrap();
    let address = |ip: &str, prefix| Address { ip: ip.parse().unwrap(), prefix, flags: 0x82 };
    let interface = |name: &str, addresses: &[Address]| Interface {
        name: name.to_owned(),
        mac: vec![2, 0, 0, 0, 0, 1],
        mtu: Some(1500),
        master: None,
        addresses: addresses.to_vec(),
    };
    let local = [address("127.0.0.1", 8), address("::1", 128)];
    let mut loopback = interface("lo", &local);
    loopback.mac = vec![0; 6];
    let addresses = [
        address("169.254.0.9", 16),
        address("10.77.0.11", 24),
        address("fe80::1", 64),
        address("2001:db8::5", 64),
    ];
    let eth0 = interface("eth0", &addresses);
    let slave = Interface { master: Some("bond0".to_owned()), ..eth0.clone() };
    let other = interface("br-1", &[address("192.168.0.1", 32)]);
    let kernel = Kernel::ask();
    let facts = |interfaces: &[Interface]| find(root.path(), &kernel, interfaces);

    let all = facts(&[loopback.clone(), eth0.clone(), other.clone()]);
    check(&all, "interfaces", json!("br-1,eth0,lo"));
    check(&all, "ipaddress", json!("10.77.0.11"));
    check(&all, "ipaddress6", json!("2001:db8::5"));
    check(&all, "network", json!("10.77.0.0"));
    check(&all, "netmask6", json!("ffff:ffff:ffff:ffff::"));
    check(&all, "scope6", json!("global"));
    check(&all, "macaddress", json!("02:00:00:00:00:01"));
    check(&all, "ipaddress_br-1", json!("192.168.0.1"));
    check(&all, "netmask_br-1", json!("255.255.255.255"));
    check(&all, "ipaddress_lo", json!("127.0.0.1"));
    check(&all, "macaddress_lo", Value::Null);
    check(&all, "mtu_eth0", json!(1500));
    let networking = &all["networking"];
    assert_eq!(networking["primary"], json!("eth0"));
    assert_eq!(networking["mtu"], json!(1500));
    assert_eq!(networking.get("bindings"), None);
    let bound = json!({"address": "fe80::1", "netmask": "ffff:ffff:ffff:ffff::", "network": "fe80::",
        "scope6": "link", "flags": ["noad", "permanent"]});
    assert_eq!(networking["interfaces"]["eth0"]["bindings6"][0], bound);
    assert_eq!(networking["interfaces"]["lo"]["scope6"], json!("host"));

    let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
        eth0\t000D0A0A\t0\t1\t0\t0\t0\t00FFFFFF\nbr-1\t00000000\t0100000A\t3\t0\t0\t0\t00000000\n";
    fs::write(root.path().join("proc/net/route"), routes).unwrap();
    check(&facts(&[eth0, other]), "ipaddress", json!("192.168.0.1"));
    check(&facts(&[slave]), "macaddress_eth0", json!("02:00:00:00:00:77"));
}

/// The names of all values that are no maps, by their parts.
fn leaves(name: &[&str], value: &Value, into: &mut Vec<Vec<String>>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                leaves(&[name, &[key.as_str()]].concat(), value, into);
            }
        }
        _ => into.push(name.iter().map(|part| (*part).to_owned()).collect()),
    }
}

#[test]
fn every_fact_of_this_host_is_in_the_table() {
    let root = Path::new("/");
    let stable = find(root, &Kernel::ask(), &interfaces(root));
    for (facts, volatile) in [(stable, false), (measure(root), true)] {
        let mut names = Vec::new();
        facts.iter().for_each(|(name, value)| leaves(&[name], value, &mut names));
        assert!(names.len() > 10);
        for name in &names {
            let parts: Vec<&str> = name.iter().map(String::as_str).collect();
            let row = marcato_core::facts::row(&parts);
            assert_eq!(row.map(|row| row.volatile), Some(volatile), "{name:?}");
        }
    }
}

#[test]
fn this_host_has_the_facts_of_its_own_files() {
    let kernel = Kernel::ask();
    let facts = find(Path::new("/"), &kernel, &interfaces(Path::new("/")));
    assert_eq!(facts["kernel"], json!("Linux"));
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(facts["kernelrelease"], json!(release.trim()));
    assert!(facts["processorcount"].as_u64().unwrap() >= 1);
}
