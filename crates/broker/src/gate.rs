//! How fast one address may open connections: a bucket of allowances for each.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use marcato_core::limits::broker as limits;

/// The accept rate of one address.
#[derive(Debug, Clone, Copy)]
pub struct AcceptRate {
    /// How many connections at once.
    pub burst: u32,
    /// How many a second after that.
    pub per_second: u32,
    /// For how many addresses it is remembered.
    pub addresses: usize,
}

impl Default for AcceptRate {
    fn default() -> Self {
        Self {
            burst: limits::ACCEPT_BURST_MAX,
            per_second: limits::ACCEPT_PER_SECOND,
            addresses: limits::ACCEPT_ADDRESSES_MAX,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn now(self, rate: AcceptRate, now: Instant) -> f64 {
        let earned =
            now.saturating_duration_since(self.at).as_secs_f64() * f64::from(rate.per_second);
        (self.left + earned).min(f64::from(rate.burst))
    }
}

/// Decides which new connection is taken, from its address and the time alone.
#[derive(Debug)]
pub struct Gate {
    rate: AcceptRate,
    buckets: HashMap<IpAddr, Bucket>,
}

impl Gate {
    /// A gate that has seen nobody yet.
    pub fn new(rate: AcceptRate) -> Self {
        Self { rate, buckets: HashMap::new() }
    }

    /// Whether a connection from `address` may come in `now`.
    pub fn admit(&mut self, address: IpAddr, now: Instant) -> bool {
        let address = network(address);
        if !self.buckets.contains_key(&address) && self.buckets.len() >= self.rate.addresses {
            self.forget(now);
        }
        let full = Bucket { left: f64::from(self.rate.burst), at: now };
        let bucket = self.buckets.entry(address).or_insert(full);
        bucket.left = bucket.now(self.rate, now);
        bucket.at = now;
        if bucket.left < 1.0 {
            return false;
        }
        bucket.left -= 1.0;
        true
    }

    /// Drops the fuller half of the buckets: the fuller one is, the less it withholds.
    fn forget(&mut self, now: Instant) {
        let mut levels: Vec<f64> = self.buckets.values().map(|b| b.now(self.rate, now)).collect();
        let middle = levels.len() / 2;
        let (_, middle, _) = levels.select_nth_unstable_by(middle, f64::total_cmp);
        let (middle, rate) = (*middle, self.rate);
        self.buckets.retain(|_, bucket| bucket.now(rate, now) < middle);
    }
}

/// One host owns a whole /64 of IPv6, so that counts as one address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::from((u128::from(v6) >> 64 << 64).to_be_bytes()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const RATE: AcceptRate = AcceptRate { burst: 3, per_second: 2, addresses: 4 };

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn burst_then_rate() {
        let mut gate = Gate::new(RATE);
        let start = Instant::now();
        let mut admit = |ms: u64| gate.admit(ip("10.0.0.1"), start + Duration::from_millis(ms));
        assert_eq!([admit(0), admit(0), admit(0), admit(0)], [true, true, true, false]);
        assert_eq!([admit(400), admit(500), admit(501)], [false, true, false]);
        assert_eq!([admit(9000), admit(9000), admit(9000), admit(9000)], [true, true, true, false]);
    }

    #[test]
    fn addresses_stand_apart_but_a_v6_network_does_not() {
        let mut gate = Gate::new(AcceptRate { burst: 1, ..RATE });
        let now = Instant::now();
        assert!(gate.admit(ip("10.0.0.1"), now));
        assert!(gate.admit(ip("10.0.0.2"), now));
        assert!(!gate.admit(ip("::ffff:10.0.0.2"), now));
        assert!(gate.admit(ip("2001:db8::1"), now));
        assert!(!gate.admit(ip("2001:db8::2"), now));
        assert!(gate.admit(ip("2001:db8:0:1::2"), now));
    }

    #[test]
    fn memory_is_bounded_and_the_busiest_is_remembered() {
        let mut gate = Gate::new(RATE);
        let now = Instant::now();
        let busy = ip("10.0.0.1");
        while gate.admit(busy, now) {}
        for last in 2..=250 {
            assert!(gate.admit(IpAddr::from([10, 0, 0, last]), now));
            assert!(gate.buckets.len() <= RATE.addresses, "{}", gate.buckets.len());
        }
        assert!(!gate.admit(busy, now));
    }
}
