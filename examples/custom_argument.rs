//! Arguments of your own: a type that implements `Argument` is an argument like any other.
//!
//! - `Celsius` is one value that is written as text in its own form: the two string hooks.
//! - `Position` occupies two keys, and can be optional: the box hooks.
//! - `Origin` is never on the wire. The side that answers fills it in, with the address of the peer
//!   and with data of the connection.
//!
//! ```text
//! cargo run --example custom_argument
//! ```

use amp_core::boxes::{BoxReader, BoxWriter};
use amp_core::schema::{BoxSchema, WireType, WireTypes};
use amp_core::{
    AmpBox, Argument, Arguments, Command, Context, DecodeError, EncodeError, NoError, PeerAddress,
    Proto, Responders, Value, ValueWriter, tcp,
};
use std::error::Error;
use std::fmt::Write;
use tokio::net::{TcpListener, TcpStream};

/// Reports a measurement, and is told what was understood.
#[derive(Command)]
#[amp(response = Understood)]
struct Report {
    #[amp(flatten)]
    measurement: Measurement,
    origin: Origin,
}

#[derive(Arguments, Debug, Clone, PartialEq)]
struct Measurement {
    temperature: Celsius,
    position: Option<Position>,
}

#[derive(Arguments)]
struct Understood {
    text: String,
}

/// A temperature, on the wire as text such as `21.5 C`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Celsius(f64);

impl Argument for Celsius {
    fn to_string_proto(
        &self,
        _: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        // An error fails the one call, before anything of it is sent.
        if !self.0.is_finite() {
            return Err(EncodeError::custom("a temperature must be finite"));
        }
        write!(out, "{} C", self.0).map_err(EncodeError::custom)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        let Some(number) = value.strip_suffix(b" C") else {
            return Err(DecodeError::malformed("a temperature such as `21.5 C`", value));
        };
        f64::from_string_proto(number.into(), proto).map(Celsius)
    }

    // For records of the schema: the name of a form that both sides have agreed on.
    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("Celsius")
    }
}

/// A place on Earth, in degrees. As the argument `NAME` it occupies the keys `NAME.latitude` and
/// `NAME.longitude`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Position {
    latitude: f64,
    longitude: f64,
}

impl Argument for Position {
    fn to_box(
        &self,
        name: &str,
        out: &mut BoxWriter<'_>,
        proto: &mut Proto<'_>,
    ) -> Result<(), EncodeError> {
        self.latitude.to_box(&format!("{name}.latitude"), out, proto)?;
        self.longitude.to_box(&format!("{name}.longitude"), out, proto)
    }

    fn from_box(
        name: &str,
        input: &mut BoxReader<'_>,
        proto: &mut Proto<'_>,
    ) -> Result<Self, DecodeError> {
        Ok(Self {
            latitude: f64::from_box(&format!("{name}.latitude"), input, proto)?,
            longitude: f64::from_box(&format!("{name}.longitude"), input, proto)?,
        })
    }

    /// `Option<Position>` is `None` when neither key is there. With one of the two it is an error.
    fn is_in(name: &str, input: &BoxReader<'_>) -> bool {
        let has = |key: &str| input.ampbox().contains_key(format!("{name}.{key}"));
        has("latitude") || has("longitude")
    }

    // As an element of a list it would have to be one value. It is refused there.

    fn to_string_proto(
        &self,
        _: &mut Proto<'_>,
        _: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        Err(EncodeError::custom("a position is no single value"))
    }

    fn from_string_proto(_: Value<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Err(DecodeError::custom("a position is no single value"))
    }

    fn box_schema(name: &str, types: &mut WireTypes) -> BoxSchema {
        let mut schema = BoxSchema::required(format!("{name}.latitude"), types.of::<f64>());
        schema.extend(BoxSchema::required(format!("{name}.longitude"), types.of::<f64>()));
        schema
    }
}

/// Where a call comes from, as the side that answers it knows: the address of the peer, and the
/// weather station, which is data of the connection. The side that calls has nothing to say.
#[derive(Default)]
struct Origin {
    address: PeerAddress,
    station: Station,
}

#[derive(Clone, Copy, Default)]
struct Station(&'static str);

impl Argument for Origin {
    fn to_box(&self, _: &str, _: &mut BoxWriter<'_>, _: &mut Proto<'_>) -> Result<(), EncodeError> {
        Ok(())
    }

    fn from_box(
        name: &str,
        _: &mut BoxReader<'_>,
        proto: &mut Proto<'_>,
    ) -> Result<Self, DecodeError> {
        match proto.get::<Station>() {
            Some(&station) => Ok(Self { address: proto.peer_address().clone(), station }),
            None => Err(DecodeError::custom("the connection has no station").at(name)),
        }
    }

    fn is_in(_: &str, _: &BoxReader<'_>) -> bool {
        true
    }

    fn to_string_proto(
        &self,
        _: &mut Proto<'_>,
        _: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        Err(EncodeError::custom("an origin is never a value"))
    }

    fn from_string_proto(_: Value<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Err(DecodeError::custom("an origin is never a value"))
    }

    fn box_schema(_: &str, _: &mut WireTypes) -> BoxSchema {
        BoxSchema::new()
    }
}

async fn report(_: Context, Report { measurement, origin }: Report) -> Result<Understood, NoError> {
    let Celsius(degrees) = measurement.temperature;
    let place = match measurement.position {
        Some(Position { latitude, longitude }) => format!("{latitude}, {longitude}"),
        None => "an unknown place".to_owned(),
    };
    let Origin { address, station: Station(station) } = origin;
    Ok(Understood { text: format!("{degrees} degrees at {place}, from {station} at {address}") })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    on_the_wire()?;
    over_a_connection().await
}

/// Arguments that need no connection can be written and read without one.
fn on_the_wire() -> Result<(), Box<dyn Error>> {
    let position = Position { latitude: 81.6, longitude: -16.7 };
    let measurement = Measurement { temperature: Celsius(-12.5), position: Some(position) };
    let bytes = measurement.encode()?;
    let written = AmpBox::decode(bytes.clone())?;
    println!("on the wire: {written:?}");
    assert_eq!(written.get("temperature"), Some(&b"-12.5 C"[..]));
    assert_eq!(written.get("position.latitude"), Some(&b"81.6"[..]));
    assert_eq!(written.get("position.longitude"), Some(&b"-16.7"[..]));
    assert_eq!(Measurement::decode(bytes)?, measurement);

    for (pairs, mistake) in [
        (
            [("temperature", "hot"), ("other", "x")],
            "argument temperature: \"hot\" is not a temperature such as `21.5 C`",
        ),
        (
            [("temperature", "1 C"), ("position.latitude", "81.6")],
            "argument position.longitude: missing",
        ),
    ] {
        let received = AmpBox::from_pairs(pairs)?.to_bytes();
        let error = Measurement::decode(received).expect_err("it cannot be read");
        println!("refused when read: {error}");
        assert_eq!(error.to_string(), mistake);
    }
    Ok(())
}

async fn over_a_connection() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = listener.local_addr()?;
    let responders = Responders::new(()).respond(report);
    let serve = amp_core::serve_with(listener, move |connection| {
        // A server would learn by a login, say, which station this is.
        connection.responders(responders.clone()).data(Station("Station Nord"))
    });
    tokio::spawn(serve);

    let stream = TcpStream::connect(server).await?;
    let here = stream.local_addr()?;
    let peer = tcp::connection(stream)?.spawn();
    let report = |degrees| Report {
        measurement: Measurement { temperature: Celsius(degrees), position: None },
        origin: Origin::default(),
    };

    let Understood { text } = peer.call_remote(report(21.5)).await?;
    println!("understood: {text}");
    assert_eq!(text, format!("21.5 degrees at an unknown place, from Station Nord at {here}"));

    let Err(error) = peer.call_remote(report(f64::NAN)).await else {
        return Err("a temperature that is no number should not be sent".into());
    };
    let error = amp_core::Report::new(&error);
    println!("refused when written: {error}");
    assert_eq!(
        error.to_string(),
        "the call cannot be written: argument temperature: a temperature must be finite"
    );
    Ok(())
}
