//! The machine: what it is made of, or what pretends to be one.

use std::path::Path;

use super::{Found, read};

/// The facts of DMI, by the kernel's names.
const DMI: [(&str, &str); 12] = [
    ("sys_vendor", "dmi.manufacturer"),
    ("product_name", "dmi.product.name"),
    ("product_serial", "dmi.product.serial_number"),
    ("product_uuid", "dmi.product.uuid"),
    ("bios_vendor", "dmi.bios.vendor"),
    ("bios_version", "dmi.bios.version"),
    ("bios_date", "dmi.bios.release_date"),
    ("board_vendor", "dmi.board.manufacturer"),
    ("board_name", "dmi.board.product"),
    ("board_serial", "dmi.board.serial_number"),
    ("board_asset_tag", "dmi.board.asset_tag"),
    ("chassis_asset_tag", "dmi.chassis.asset_tag"),
];

/// The housings of SMBIOS, from 1, as Facter names them.
const CHASSIS: [&str; 31] = [
    "Other",
    "",
    "Desktop",
    "Low Profile Desktop",
    "Pizza Box",
    "Mini Tower",
    "Tower",
    "Portable",
    "Laptop",
    "Notebook",
    "Hand Held",
    "Docking Station",
    "All in One",
    "Sub Notebook",
    "Space-Saving",
    "Lunch Box",
    "Main System Chassis",
    "Expansion Chassis",
    "SubChassis",
    "Bus Expansion Chassis",
    "Peripheral Chassis",
    "Storage Chassis",
    "Rack Mount Chassis",
    "Sealed-Case PC",
    "Multi-system",
    "CompactPCI",
    "AdvancedTCA",
    "Blade",
    "Blade Enclosure",
    "Tablet",
    "Convertible",
];

/// Adds what the firmware says, and whether the machine is a real one.
pub(super) fn add(found: &mut Found, root: &Path) {
    for (file, name) in DMI {
        found.text(name, read(root, &format!("sys/class/dmi/id/{file}")).trim());
    }
    let chassis = read(root, "sys/class/dmi/id/chassis_type").trim().parse::<usize>();
    let chassis = chassis.ok().and_then(|number| CHASSIS.get(number.checked_sub(1)?));
    found.text("dmi.chassis.type", chassis.copied().unwrap_or_default());
    if let Some(machine) = virtual_machine(root) {
        found.put("virtual", machine);
        found.put("is_virtual", machine != "physical");
    }
    selinux(found, root);
}

fn selinux(found: &mut Found, root: &Path) {
    let config = read(root, "etc/selinux/config");
    let mounts = read(root, "proc/self/mounts");
    let is_selinux = |line: &str| line.split(' ').nth(2) == Some("selinuxfs");
    let enabled = !config.is_empty() && mounts.lines().any(is_selinux);
    // A host whose files tell nothing of its mounts tells nothing of this.
    if !mounts.is_empty() {
        found.put("os.selinux.enabled", enabled);
    }
    if !enabled {
        return;
    }
    let enforced = read(root, "sys/fs/selinux/enforce").trim() == "1";
    found.put("os.selinux.enforced", enforced);
    found.put("os.selinux.current_mode", if enforced { "enforcing" } else { "permissive" });
    found.text("os.selinux.policy_version", read(root, "sys/fs/selinux/policyvers").trim());
    for (key, name) in [("SELINUX=", "config_mode"), ("SELINUXTYPE=", "config_policy")] {
        let value = config.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        found.text(&format!("os.selinux.{name}"), value.trim());
    }
}

/// In what kind of machine or container the host runs; `physical` if nothing speaks against it.
fn virtual_machine(root: &Path) -> Option<&'static str> {
    match read(root, "run/systemd/container").trim() {
        "docker" => return Some("docker"),
        "podman" => return Some("podman"),
        "lxc" | "lxc-libvirt" => return Some("lxc"),
        "systemd-nspawn" => return Some("systemd_nspawn"),
        _ => {}
    }
    if root.join(".dockerenv").exists() {
        return Some("docker");
    }
    let vendor = read(root, "sys/class/dmi/id/sys_vendor");
    let product = read(root, "sys/class/dmi/id/product_name");
    let machines = [
        ("VMware", "vmware"),
        ("VirtualBox", "virtualbox"),
        ("innotek", "virtualbox"),
        ("QEMU", "kvm"),
        ("KVM", "kvm"),
        ("Amazon EC2", "kvm"),
        ("Google", "gce"),
        ("Xen", "xenhvm"),
        ("Virtual Machine", "hyperv"),
    ];
    let named = |(word, _): &&(&str, &str)| vendor.contains(word) || product.contains(word);
    if let Some((_, machine)) = machines.iter().find(named) {
        return Some(machine);
    }
    // Some machine, but of what make cannot be seen.
    let cpus = read(root, "proc/cpuinfo");
    let flags = cpus.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    if flags.split_ascii_whitespace().any(|flag| flag == "hypervisor") {
        return None;
    }
    Some("physical").filter(|_| !vendor.trim().is_empty())
}
