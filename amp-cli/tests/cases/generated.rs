// Written from cases.schema by ampctl. What is changed here is lost.
use amp_core::schema::Schema;
use amp_core::{Arguments, Command};

/// One of a few boxes, which `fill` tells apart.
#[derive(Arguments, Clone, Debug, PartialEq)]
#[amp(tag = "fill")]
pub enum Fill {
    /// `color`.
    #[amp(rename = "color")]
    Color {
        /// `Unicode` on the wire.
        color: String,
    },
    /// `none`.
    #[amp(rename = "none")]
    None,
}

/// One of a few boxes, which `how` tells apart.
#[derive(Arguments, Clone, Debug, PartialEq)]
#[amp(tag = "how")]
pub enum How {
    /// `all`.
    #[amp(rename = "all")]
    All,
    /// `some`.
    #[amp(rename = "some")]
    Some {
        /// `ListOf(Integer)` on the wire.
        #[amp(secret)]
        missing: Vec<i64>,
    },
}

/// An answer with `by`, `fill`, `how`.
#[derive(Arguments, Clone, Debug, PartialEq)]
pub struct DrawResponse {
    /// `Unicode` on the wire.
    pub by: String,
    /// `OneOf("color", "none")` on the wire.
    #[amp(flatten)]
    pub fill: Option<Fill>,
    /// `OneOf("all", "some")` on the wire.
    #[amp(flatten)]
    pub how: How,
}

/// One of a few boxes, which `kind` tells apart.
#[derive(Arguments, Clone, Debug, PartialEq)]
#[amp(tag = "kind")]
pub enum Shape {
    /// All around a point.
    #[amp(rename = "circle")]
    Circle {
        /// In metres.
        #[amp(secret)]
        radius: f64,
    },
    /// `dot`.
    #[amp(rename = "dot")]
    Dot,
    /// `group`.
    #[amp(rename = "group")]
    Group {
        /// `AmpList(^1)` on the wire.
        members: Vec<Self>,
        /// `Unicode` on the wire.
        #[amp(secret)]
        name: Option<String>,
    },
}

/// Draws what there is.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(response = DrawResponse)]
pub struct Draw {
    /// From back to front.
    pub shapes: Vec<Shape>,
}

/// Returns what these commands are on the wire, to be compared with what they were written from.
#[must_use]
pub fn schema() -> Schema {
    let mut schema = Schema::default();
    schema.add::<Draw>();
    schema
}
