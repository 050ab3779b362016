//! Peers by name: `ampctl.toml`.

use etcetera::BaseStrategy;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use crate::mistake::{Mistake, no_such};
use crate::trust;

const NAME: &str = "ampctl.toml";

/// A variable of the environment, which says where another such file is. That one is taken whoever can write it.
const GIVEN: &str = "AMPCTL_CONFIG";

/// The content of `ampctl.toml`: in the folder that the program runs in, in one around it, or else in the
/// user's folder for configuration. It may start programs, and so it is one that nobody else can have written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    peers: BTreeMap<String, Profile>,
    #[serde(skip)]
    path: PathBuf,
}

#[expect(clippy::struct_excessive_bools, reason = "they are flags")]
/// A peer as it is known: as the flags of the same names say it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Profile {
    pub(crate) address: String,
    #[serde(default)]
    pub(crate) schema: Vec<String>,
    #[serde(default)]
    pub(crate) peer_schema: Vec<String>,
    #[serde(default)]
    pub(crate) reflect: bool,
    pub(crate) timeout: Option<String>,
    pub(crate) connect_timeout: Option<String>,
    #[serde(default)]
    pub(crate) wait: bool,
    pub(crate) route: Option<String>,
    #[serde(default)]
    pub(crate) tls: bool,
    pub(crate) start_tls: Option<String>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) server_name: Option<String>,
    #[serde(default)]
    pub(crate) no_verify: bool,
    pub(crate) respond: Option<PathBuf>,
    pub(crate) before: Option<PathBuf>,
    #[serde(default)]
    pub(crate) hide: Vec<String>,
}

impl Profile {
    /// Returns what is known of a peer: by its name in `ampctl.toml`, or no more than the address that it is.
    pub(crate) fn of(peer: &str) -> Result<Self, Mistake> {
        if peer.contains(':') {
            Ok(Self { address: peer.to_owned(), ..Self::default() })
        } else {
            Config::profile(peer)
        }
    }
}

impl Config {
    /// Returns what is known of the peer with this name. Files are found beside the one that names them.
    fn profile(name: &str) -> Result<Profile, Mistake> {
        let Some(config) = Self::find()? else {
            let what =
                format!("{name:?} is no address, and there is no {NAME} that it could be named in");
            return Err(Mistake::new(what));
        };
        let Self { mut peers, path } = config;
        let Some(mut profile) = peers.remove(name) else {
            let known = peers.keys().map(String::as_str);
            return Err(no_such("peer", name, known).at(&path.display().to_string()));
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let files = [&mut profile.ca, &mut profile.cert, &mut profile.key];
        let files = files.into_iter().chain([&mut profile.respond, &mut profile.before]);
        for file in files.flatten() {
            *file = folder.join(&*file);
        }
        for schema in profile.schema.iter_mut().chain(&mut profile.peer_schema) {
            if !schema.starts_with("git:") {
                *schema = folder.join(&*schema).display().to_string();
            }
        }
        if let Some(path) = profile.address.strip_prefix("unix:")
            && !path.starts_with('@')
        {
            profile.address = format!("unix:{}", folder.join(path).display());
        }
        if let Some(words) = profile.address.strip_prefix("exec:")
            && let Ok(mut words) = shell_words::split(words)
            && let Some(program) = words.first_mut().filter(|program| program.contains('/'))
        {
            *program = folder.join(&*program).display().to_string();
            profile.address = format!("exec:{}", shell_words::join(words));
        }
        Ok(profile)
    }

    fn find() -> Result<Option<Self>, Mistake> {
        if let Some(path) = env::var_os(GIVEN).filter(|path| !path.is_empty()).map(PathBuf::from) {
            trust::vouch();
            let text = trust::read_there(&path).map_err(|mistake| mistake.at(GIVEN))?;
            return Self::of(path, &text).map(Some);
        }
        let here = env::current_dir().unwrap_or_default();
        let around = here.ancestors().map(|folder| folder.join(NAME));
        let of_user = etcetera::choose_base_strategy()
            .ok()
            .map(|strategy| strategy.config_dir().join("ampctl").join(NAME));
        for path in around.chain(of_user) {
            // The next one may mean another peer by the same name, so that none is passed over.
            if let Some(text) = trust::read(&path)? {
                return Self::of(path, &text).map(Some);
            }
        }
        Ok(None)
    }

    fn of(path: PathBuf, text: &str) -> Result<Self, Mistake> {
        let read = toml::from_str::<Self>(text);
        let config = read.map_err(|error| of_toml(&path, text, &error))?;
        Ok(Self { path, ..config })
    }
}

/// Says what is wrong in a file of TOML, on one line: with the line and the column.
pub(crate) fn of_toml(path: &Path, text: &str, error: &toml::de::Error) -> Mistake {
    let path = path.display();
    let place = match error.span() {
        Some(span) => {
            let before = text.get(..span.start).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            format!("{path}:{line}:{column}")
        }
        None => path.to_string(),
    };
    Mistake::new(error.message().replace('\n', ": ")).at(&place)
}
