//! The ancestor: RabbitMQ, one `mcollectived` for each node, and its `mco`.

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use super::room::{FOLDER, Room};
use super::time;
use crate::bench::page::Value;
use crate::bench::process::{self, Daemon};
use crate::bench::request::Request;
use crate::bench::{Effort, tell};

/// How long broker and nodes may take to start: Ruby on two cores.
const PATIENCE: Duration = Duration::from_secs(240);
/// How often is looked whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The list of nodes, which spares discovery.
const LIST: &str = "/bench/nodes.txt";
/// The client's configuration.
const CLIENT: &str = "/bench/client.cfg";
/// Where its plugins lie.
const AGENTS: &str = "/usr/share/mcollective/plugins/mcollective/agent";

/// An agent that does the least that a package agent can.
const AGENT: &str = r#"module MCollective
  module Agent
    class Package < RPC::Agent
      action "status" do
        query = ["dpkg-query", "-W", "-f", "${Version}", request[:package]]
        out = IO.popen(query, &:read)
        reply[:ensure] = out.empty? ? "absent" : out
      end
    end
  end
end
"#;

const DDL: &str = r#"metadata :name => "package", :description => "packages", :author => "bench",
         :license => "Apache-2.0", :version => "1", :url => "https://example.com", :timeout => 60
action "status", :description => "which version" do
  display :always
  input :package, :prompt => "package", :description => "package", :type => :string,
        :validation => :shellsafe, :optional => false, :maxlength => 90
  output :ensure, :description => "version", :display_as => "Ensure"
end
"#;

/// The running ancestor.
pub struct Ancestor<'a> {
    room: &'a Room,
    nodes: Vec<Daemon>,
    _broker: Daemon,
}

impl<'a> Ancestor<'a> {
    /// Makes keys, starts the broker and tells it what the ancestor needs of it.
    ///
    /// # Errors
    /// When something cannot be made or started; the error is one sentence.
    pub fn start(room: &'a Room) -> Result<Self, String> {
        for name in ["server", "operator"] {
            let private = format!("{FOLDER}/{name}-private.pem");
            let public = format!("{FOLDER}/{name}-public.pem");
            room.run(&["openssl", "genrsa", "-out", &private, "2048"])?;
            room.run(&["openssl", "rsa", "-in", &private, "-pubout", "-out", &public])?;
        }
        room.run(&[
            "install",
            "-D",
            "/bench/operator-public.pem",
            "/bench/clients/operator-public.pem",
        ])?;
        room.write(
            "/bench/facts.yaml",
            "operatingsystem: Debian\noperatingsystemrelease: '8.5'\n",
        )?;
        room.write(&format!("{AGENTS}/package.rb"), AGENT)?;
        room.write(&format!("{AGENTS}/package.ddl"), DDL)?;
        let client = configuration()
            + "logfile = /bench/client.log\n\
               plugin.ssl_client_public = /bench/operator-public.pem\n\
               plugin.ssl_client_private = /bench/operator-private.pem\n";
        room.write(CLIENT, &client)?;
        room.write("/etc/rabbitmq/enabled_plugins", "[rabbitmq_stomp].\n")?;
        let log = room.path("/bench/rabbitmq.log");
        let broker = Daemon::start(&mut room.command(&["rabbitmq-server"]), &log)?;
        prepare(room)?;
        Ok(Self { room, nodes: Vec::new(), _broker: broker })
    }

    /// Starts nodes until there are so many, and waits until they answer.
    ///
    /// # Errors
    /// When one cannot be started or does not answer in time; the error is one sentence.
    pub fn grow(&mut self, count: usize) -> Result<(), String> {
        tell(&format!("peers: MCollective of {count}"));
        for index in self.nodes.len()..count {
            let folder = format!("{FOLDER}/node{index}");
            let text = format!(
                "{}identity = node{index}.example.com\nlogfile = {folder}/log\ndaemonize = 0\n\
                 plugin.ssl_server_private = /bench/server-private.pem\n\
                 plugin.ssl_client_cert_dir = /bench/clients\n",
                configuration()
            );
            let file = format!("{folder}/server.cfg");
            self.room.write(&file, &text)?;
            let mut command = self.room.command(&["mcollectived", "--config", &file]);
            self.nodes
                .push(Daemon::start(&mut command, &self.room.path(&format!("{folder}/out")))?);
        }
        let mut list = String::new();
        for index in 0..count {
            // Writing to a string cannot fail.
            let _infallible = writeln!(list, "node{index}.example.com");
        }
        self.room.write(LIST, &list)?;
        let until = Instant::now() + PATIENCE;
        loop {
            let (found, _) = process::output(&mut self.mco(&["find"]))?;
            let names = String::from_utf8_lossy(&found.stdout).lines().count();
            if names == count {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("MCollective: only {names} of {count} nodes answer"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn mco(&self, words: &[&str]) -> Command {
        self.room.command(&[&["mco"], words, &["--config", CLIENT]].concat())
    }

    /// Times a request, with discovery and with a list.
    ///
    /// # Errors
    /// When it fails; the error is one sentence.
    pub fn measure(&self, request: Request, effort: &Effort) -> Result<String, String> {
        // Its own client for packages is not shipped either.
        let words: &[&str] = match request {
            Request::Package => &["rpc", "package", "status", "package=openssl"],
            _ => request.words(),
        };
        let plain = Value::time(time(|| self.mco(words), effort)?);
        if request == Request::Find {
            return Ok(plain.to_string());
        }
        let listed = [words, &["--nodes", LIST]].concat();
        let list = Value::time(time(|| self.mco(&listed), effort)?);
        Ok(format!("{plain}; with a list {list}"))
    }
}

impl Drop for Ancestor<'_> {
    fn drop(&mut self) {
        for node in &self.nodes {
            node.tell_to_end();
        }
    }
}

/// What client and nodes have in common.
fn configuration() -> String {
    "main_collective = mcollective\ncollectives = mcollective\n\
     libdir = /usr/share/mcollective/plugins\nlogger_type = file\nloglevel = warn\n\
     securityprovider = ssl\nplugin.ssl_server_public = /bench/server-public.pem\n\
     connector = rabbitmq\ndirect_addressing = 1\nplugin.rabbitmq.vhost = /mcollective\n\
     plugin.rabbitmq.pool.size = 1\nplugin.rabbitmq.pool.1.host = 127.0.0.1\n\
     plugin.rabbitmq.pool.1.port = 61613\nplugin.rabbitmq.pool.1.user = bench\n\
     plugin.rabbitmq.pool.1.password = bench\nplugin.rabbitmq.heartbeat_interval = 0\n\
     factsource = yaml\nplugin.yaml = /bench/facts.yaml\n"
        .to_owned()
}

/// Waits for the broker; makes the user and the two exchanges that the ancestor publishes to.
fn prepare(room: &Room) -> Result<(), String> {
    let until = Instant::now() + PATIENCE;
    while !process::output(&mut room.command(&["rabbitmqctl", "await_startup"]))?.0.status.success()
    {
        if Instant::now() > until {
            return Err("RabbitMQ does not start".to_owned());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    // What an earlier run left is taken as it is.
    for argv in [["add_vhost", "/mcollective"].as_slice(), &["add_user", "bench", "bench"]] {
        process::output(&mut room.command(&[&["rabbitmqctl"], argv].concat()))?;
    }
    let all = ["rabbitmqctl", "set_permissions", "-p", "/mcollective", "bench", ".*", ".*", ".*"];
    room.run(&all)?;
    for (name, kind) in [("broadcast", "topic"), ("directed", "direct")] {
        let declare = format!(
            "rabbit_exchange:declare(rabbit_misc:r(<<\"/mcollective\">>, exchange, \
             <<\"mcollective_{name}\">>), {kind}, true, false, false, [], <<\"bench\">>)."
        );
        room.run(&["rabbitmqctl", "eval", &declare])?;
    }
    Ok(())
}
