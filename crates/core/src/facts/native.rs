//! The table of the facts that a node finds by itself: what each means, where it is read, and where
//! it is otherwise than what Facter prints. `docs/reference/facts.md` is made from it.

/// A fact that a node finds.
#[derive(Debug)]
pub struct Native {
    /// Its name; `*` stands for any one part, such as an interface.
    pub name: &'static str,
    /// What it means, with its unit.
    pub meaning: &'static str,
    /// Where it is read: a file, with the manual page that describes it.
    pub source: &'static str,
    /// Whether it changes by itself all the time. Such facts are read when somebody asks for them,
    /// and no registration carries them.
    pub volatile: bool,
    /// In what it may differ from what Facter prints, and why; empty where it does not.
    pub differs: &'static str,
}

/// A flat name of Facter's for what a structured fact says.
#[derive(Debug)]
pub struct Flat {
    /// The flat name; `*` stands for what it stands for in the structured one.
    pub name: &'static str,
    /// The structured fact.
    pub of: &'static str,
}

impl Flat {
    /// Whether the structured fact is volatile.
    pub(super) fn is_volatile(&self) -> bool {
        NATIVE.iter().any(|fact| fact.volatile && fact.name == self.of)
    }
}

const fn fact(name: &'static str, meaning: &'static str, source: &'static str) -> Native {
    Native { name, meaning, source, volatile: false, differs: "" }
}

impl Native {
    const fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    const fn differs(mut self, why: &'static str) -> Self {
        self.differs = why;
        self
    }
}

const fn flat(name: &'static str, of: &'static str) -> Flat {
    Flat { name, of }
}

const UNAME: &str = "uname(2)";
const OS_RELEASE: &str = "/etc/os-release, os-release(5)";
const RELEASE: &str = "/etc/debian_version, /etc/redhat-release, else os-release(5)";
const HOST: &str = "uname(2), /etc/hosts, /etc/resolv.conf";
const LINK: &str = "rtnetlink(7), RTM_GETLINK";
const ADDRESS: &str = "rtnetlink(7), RTM_GETADDR";
const PRIMARY: &str = "the same of the primary interface";
const CPU: &str = "/proc/cpuinfo, proc(5)";
const TOPOLOGY: &str = "/sys/devices/system/cpu";
const MEMORY: &str = "/proc/meminfo, proc(5)";
const UPTIME: &str = "/proc/uptime, proc(5)";
const LOAD: &str = "/proc/loadavg, proc(5)";
const DMI: &str = "/sys/class/dmi/id";
const BLOCK: &str = "/sys/block";
const MOUNTS: &str = "/proc/self/mounts, proc(5)";
const SPACE: &str = "statvfs(3)";
const SELINUX: &str = "/sys/fs/selinux, /etc/selinux/config";
const SSH: &str = "/etc/ssh/ssh_host_*_key.pub";
const USER: &str = "getuid(2), /etc/passwd, /etc/group";

const BY_FILES: &str = "No name server is asked.";
const NO_LSB: &str =
    "Found without lsb-release; Facter asks that package's command where it is there.";
const NO_MAKE: &str = "Left out where some machine is seen, but not of what make; Facter says \
    `physical` then, unless virt-what is installed.";
const NO_NETWORK_DISK: &str =
    "Network and user-space filesystems are not asked, for they may not answer.";

/// The facts, in the order of the page.
pub const NATIVE: &[Native] = &[
    fact("os.name", "the distribution, in Facter's spelling", OS_RELEASE),
    fact("os.family", "what it is made from: `Debian`, `RedHat`, `Suse`, …", OS_RELEASE)
        .differs("Left out for a distribution that is not known; Facter repeats its name."),
    fact("os.release.full", "the release, point release included", RELEASE),
    fact("os.release.major", "its first part; of Ubuntu year and month", RELEASE),
    fact("os.release.minor", "its second part", RELEASE),
    fact("os.architecture", "the processor, in the distribution's spelling", UNAME),
    fact("os.hardware", "the processor, in the kernel's spelling", UNAME),
    fact("os.distro.id", "the distribution", OS_RELEASE).differs(NO_LSB),
    fact("os.distro.description", "its full name", OS_RELEASE).differs(NO_LSB),
    fact("os.distro.codename", "the release's name", OS_RELEASE).differs(NO_LSB),
    fact("os.distro.release.full", "as `os.release.full`", RELEASE).differs(NO_LSB),
    fact("os.distro.release.major", "as `os.release.major`", RELEASE).differs(NO_LSB),
    fact("os.distro.release.minor", "as `os.release.minor`", RELEASE).differs(NO_LSB),
    fact("os.selinux.enabled", "whether SELinux is mounted and configured", SELINUX),
    fact("os.selinux.enforced", "whether it forbids, where it is enabled", SELINUX),
    fact("os.selinux.current_mode", "`enforcing` or `permissive`", SELINUX),
    fact("os.selinux.config_mode", "`SELINUX=` of its configuration", SELINUX),
    fact("os.selinux.config_policy", "`SELINUXTYPE=` of its configuration", SELINUX),
    fact("os.selinux.policy_version", "the policy's format", SELINUX),
    fact("fips_enabled", "whether the kernel is in FIPS mode", "/proc/sys/crypto/fips_enabled"),
    fact("kernel", "`Linux`", UNAME),
    fact("kernelrelease", "the kernel's whole release", UNAME),
    fact("kernelversion", "the numbers that it begins with", UNAME),
    fact("kernelmajversion", "the first two of them", UNAME),
    fact("networking.hostname", "the host's name without domain", HOST),
    fact("networking.domain", "the domain", HOST).differs(BY_FILES),
    fact("networking.fqdn", "name and domain", HOST).differs(BY_FILES),
    fact(
        "networking.primary",
        "the interface of the default route",
        "/proc/net/route, else the first with an address for others",
    ),
    fact("networking.ip", "the IPv4 address", PRIMARY),
    fact("networking.netmask", "its mask", PRIMARY),
    fact("networking.network", "its network", PRIMARY),
    fact("networking.ip6", "the IPv6 address", PRIMARY),
    fact("networking.netmask6", "its mask", PRIMARY),
    fact("networking.network6", "its network", PRIMARY),
    fact("networking.scope6", "how far it reaches", PRIMARY),
    fact("networking.mac", "the hardware address", PRIMARY),
    fact("networking.mtu", "the longest packet, in bytes", PRIMARY),
    fact(
        "networking.interfaces.*.ip",
        "the first address that is for others, else the first",
        ADDRESS,
    ),
    fact("networking.interfaces.*.netmask", "its mask", ADDRESS),
    fact("networking.interfaces.*.network", "its network", ADDRESS),
    fact("networking.interfaces.*.ip6", "the same of IPv6", ADDRESS),
    fact("networking.interfaces.*.netmask6", "its mask", ADDRESS),
    fact("networking.interfaces.*.network6", "its network", ADDRESS),
    fact("networking.interfaces.*.scope6", "`host`, `link`, `site` or `global`", ADDRESS),
    fact("networking.interfaces.*.bindings", "every IPv4 address with mask and network", ADDRESS),
    fact(
        "networking.interfaces.*.bindings6",
        "every IPv6 address with mask, network, scope and flags",
        ADDRESS,
    ),
    fact(
        "networking.interfaces.*.mac",
        "the hardware address; a bond's member keeps its own",
        LINK,
    ),
    fact("networking.interfaces.*.mtu", "the longest packet, in bytes", LINK),
    fact("interfaces", "all interfaces' names, with commas", LINK),
    fact("processors.count", "logical processors", CPU),
    fact("processors.physicalcount", "sockets", CPU),
    fact("processors.cores", "cores in a socket", TOPOLOGY),
    fact("processors.threads", "threads of a core", TOPOLOGY),
    fact("processors.models", "the model of each logical processor", CPU),
    fact("memory.system.total", "memory, for people", MEMORY),
    fact("memory.system.total_bytes", "memory, in bytes", MEMORY),
    fact("memory.system.available", "what programs can still have, for people", MEMORY).volatile(),
    fact("memory.system.available_bytes", "the same in bytes", MEMORY).volatile(),
    fact("memory.system.used", "the rest, for people", MEMORY).volatile(),
    fact("memory.system.used_bytes", "the rest in bytes", MEMORY).volatile(),
    fact("memory.system.capacity", "used of the total, in percent", MEMORY).volatile(),
    fact("memory.swap.total", "swap space, for people; no `swap` without any", MEMORY),
    fact("memory.swap.total_bytes", "the same in bytes", MEMORY),
    fact("memory.swap.available", "free swap space, for people", MEMORY).volatile(),
    fact("memory.swap.available_bytes", "the same in bytes", MEMORY).volatile(),
    fact("memory.swap.used", "used swap space, for people", MEMORY).volatile(),
    fact("memory.swap.used_bytes", "the same in bytes", MEMORY).volatile(),
    fact("memory.swap.capacity", "used of the total, in percent", MEMORY).volatile(),
    fact("memorysize_mb", "memory in MiB", MEMORY),
    fact("memoryfree_mb", "available memory in MiB", MEMORY).volatile(),
    fact("swapsize_mb", "swap space in MiB", MEMORY),
    fact("swapfree_mb", "free swap space in MiB", MEMORY).volatile(),
    fact(
        "virtual",
        "the kind of machine or container, or `physical`",
        "systemd's /run/systemd/container, /.dockerenv, DMI, /proc/cpuinfo",
    )
    .differs(NO_MAKE),
    fact("is_virtual", "whether that is not `physical`", "as `virtual`").differs(NO_MAKE),
    fact(
        "timezone",
        "the abbreviation of the local time that holds now",
        "/etc/localtime, localtime(5)",
    ),
    fact("system_uptime.seconds", "seconds since the start", UPTIME).volatile(),
    fact("system_uptime.hours", "whole hours since the start", UPTIME).volatile(),
    fact("system_uptime.days", "whole days since the start", UPTIME).volatile(),
    fact("system_uptime.uptime", "the same for people", UPTIME).volatile(),
    fact("load_averages.1m", "how many processes ran or waited, over a minute", LOAD).volatile(),
    fact("load_averages.5m", "over five minutes", LOAD).volatile(),
    fact("load_averages.15m", "over fifteen minutes", LOAD).volatile(),
    fact("dmi.manufacturer", "who made the machine", DMI),
    fact("dmi.product.name", "the machine", DMI),
    fact("dmi.product.serial_number", "its number", DMI),
    fact("dmi.product.uuid", "its UUID", DMI),
    fact("dmi.bios.vendor", "who made the firmware", DMI),
    fact("dmi.bios.version", "its version", DMI),
    fact("dmi.bios.release_date", "its date, as the maker writes it", DMI),
    fact("dmi.board.manufacturer", "who made the board", DMI),
    fact("dmi.board.product", "the board", DMI),
    fact("dmi.board.serial_number", "its number", DMI),
    fact("dmi.board.asset_tag", "its label in an inventory", DMI),
    fact("dmi.chassis.type", "the housing, by the list of SMBIOS", DMI),
    fact("dmi.chassis.asset_tag", "its label in an inventory", DMI),
    fact("disks.*.model", "the disk", BLOCK),
    fact("disks.*.vendor", "who made it", BLOCK),
    fact("disks.*.size", "its size, for people", BLOCK),
    fact("disks.*.size_bytes", "its size in bytes", BLOCK),
    fact("disks.*.type", "`hdd` if it turns, else `ssd`", BLOCK),
    fact("blockdevices", "all disks' names, with commas", BLOCK),
    fact("mountpoints.*.device", "what is mounted there", MOUNTS),
    fact("mountpoints.*.filesystem", "its kind", MOUNTS),
    fact("mountpoints.*.options", "its options", MOUNTS),
    fact("mountpoints.*.size", "its size, for people", SPACE).differs(NO_NETWORK_DISK),
    fact("mountpoints.*.size_bytes", "its size in bytes", SPACE).differs(NO_NETWORK_DISK),
    fact("mountpoints.*.available", "what users can still have, for people", SPACE).volatile(),
    fact("mountpoints.*.available_bytes", "the same in bytes", SPACE).volatile(),
    fact("mountpoints.*.used", "what is taken, for people", SPACE).volatile(),
    fact("mountpoints.*.used_bytes", "the same in bytes", SPACE).volatile(),
    fact("mountpoints.*.capacity", "used of used and available, in percent", SPACE).volatile(),
    fact(
        "filesystems",
        "the kinds that the kernel can mount from disks, with commas",
        "/proc/filesystems",
    ),
    fact("ssh.*.key", "the public host key", SSH),
    fact("ssh.*.type", "its type", SSH),
    fact("ssh.*.fingerprints.sha256", "its SSHFP record, RFC 4255", SSH)
        .differs("Facter's flat name has the record with SHA-1 before it."),
    fact("identity.uid", "the user that `mcod` runs as", USER),
    fact("identity.gid", "that user's group", USER),
    fact("identity.user", "the user's name", USER),
    fact("identity.group", "the group's name", USER),
    fact("identity.privileged", "whether it is root", USER),
];

/// Facter's flat names, as Facter 3 and 4 write them: with `*` as it is, where Facter 2 wrote `_` for
/// whatever is no letter and no digit.
pub const FLAT: &[Flat] = &[
    flat("operatingsystem", "os.name"),
    flat("osfamily", "os.family"),
    flat("operatingsystemrelease", "os.release.full"),
    flat("operatingsystemmajrelease", "os.release.major"),
    flat("architecture", "os.architecture"),
    flat("hardwaremodel", "os.hardware"),
    flat("lsbdistid", "os.distro.id"),
    flat("lsbdistdescription", "os.distro.description"),
    flat("lsbdistcodename", "os.distro.codename"),
    flat("lsbdistrelease", "os.distro.release.full"),
    flat("lsbmajdistrelease", "os.distro.release.major"),
    flat("lsbminordistrelease", "os.distro.release.minor"),
    flat("selinux", "os.selinux.enabled"),
    flat("selinux_enforced", "os.selinux.enforced"),
    flat("selinux_current_mode", "os.selinux.current_mode"),
    flat("selinux_config_mode", "os.selinux.config_mode"),
    flat("selinux_config_policy", "os.selinux.config_policy"),
    flat("selinux_policyversion", "os.selinux.policy_version"),
    flat("hostname", "networking.hostname"),
    flat("domain", "networking.domain"),
    flat("fqdn", "networking.fqdn"),
    flat("ipaddress", "networking.ip"),
    flat("netmask", "networking.netmask"),
    flat("network", "networking.network"),
    flat("ipaddress6", "networking.ip6"),
    flat("netmask6", "networking.netmask6"),
    flat("network6", "networking.network6"),
    flat("scope6", "networking.scope6"),
    flat("macaddress", "networking.mac"),
    flat("ipaddress_*", "networking.interfaces.*.ip"),
    flat("netmask_*", "networking.interfaces.*.netmask"),
    flat("network_*", "networking.interfaces.*.network"),
    flat("ipaddress6_*", "networking.interfaces.*.ip6"),
    flat("netmask6_*", "networking.interfaces.*.netmask6"),
    flat("network6_*", "networking.interfaces.*.network6"),
    flat("scope6_*", "networking.interfaces.*.scope6"),
    flat("macaddress_*", "networking.interfaces.*.mac"),
    flat("mtu_*", "networking.interfaces.*.mtu"),
    flat("processorcount", "processors.count"),
    flat("physicalprocessorcount", "processors.physicalcount"),
    flat("processor*", "processors.models.*"),
    flat("memorysize", "memory.system.total"),
    flat("memoryfree", "memory.system.available"),
    flat("swapsize", "memory.swap.total"),
    flat("swapfree", "memory.swap.available"),
    flat("uptime", "system_uptime.uptime"),
    flat("uptime_seconds", "system_uptime.seconds"),
    flat("uptime_hours", "system_uptime.hours"),
    flat("uptime_days", "system_uptime.days"),
    flat("manufacturer", "dmi.manufacturer"),
    flat("productname", "dmi.product.name"),
    flat("serialnumber", "dmi.product.serial_number"),
    flat("uuid", "dmi.product.uuid"),
    flat("bios_vendor", "dmi.bios.vendor"),
    flat("bios_version", "dmi.bios.version"),
    flat("bios_release_date", "dmi.bios.release_date"),
    flat("boardmanufacturer", "dmi.board.manufacturer"),
    flat("boardproductname", "dmi.board.product"),
    flat("boardserialnumber", "dmi.board.serial_number"),
    flat("boardassettag", "dmi.board.asset_tag"),
    flat("chassistype", "dmi.chassis.type"),
    flat("chassisassettag", "dmi.chassis.asset_tag"),
    flat("blockdevice_*_model", "disks.*.model"),
    flat("blockdevice_*_vendor", "disks.*.vendor"),
    flat("blockdevice_*_size", "disks.*.size_bytes"),
    flat("ssh*key", "ssh.*.key"),
    flat("sshfp_*", "ssh.*.fingerprints.sha256"),
    flat("id", "identity.user"),
    flat("gid", "identity.group"),
];

/// What Facter prints and a node does not find, and why; a node where Facter is installed has them
/// from there.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("aio_agent_version", "Puppet's own"),
    ("augeas", "needs the library Augeas"),
    ("augeasversion", "needs the library Augeas"),
    ("az_metadata", "a network service would have to be asked"),
    ("cloud", "a network service would have to be asked"),
    ("dhcp_servers", "lies in the files of whichever DHCP client there is"),
    ("ec2_metadata", "a network service would have to be asked"),
    ("ec2_userdata", "a network service would have to be asked, and it holds secrets"),
    ("facterversion", "Facter's own"),
    ("gce", "a network service would have to be asked"),
    ("hardwareisa", "as `processors.isa`"),
    ("hypervisors", "gives away /etc/machine-id, which is confidential by machine-id(5)"),
    ("networking.dhcp", "lies in the files of whichever DHCP client there is"),
    ("networking.interfaces.*.dhcp", "lies in the files of whichever DHCP client there is"),
    ("os.distro.specification", "a list of LSB modules that nothing maintains"),
    ("partitions", "the filesystems on them are known to programs of other packages alone"),
    ("disks.*.serial", "is known to programs of other packages alone"),
    ("disks.*.wwn", "is known to programs of other packages alone"),
    ("path", "says how Facter was started, nothing of the host"),
    ("processors.isa", "the kernel does not know it: Debian prints `unknown`"),
    (
        "processors.speed",
        "changes at each look and costs time on large machines; the model names it",
    ),
    ("ruby", "Facter's own"),
    ("rubyplatform", "Facter's own"),
    ("rubysitedir", "Facter's own"),
    ("rubyversion", "Facter's own"),
    ("ssh.*.fingerprints.sha1", "SHA-1 proves nothing any more"),
    ("xen", "is known to Xen's own programs alone"),
];
