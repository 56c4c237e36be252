//! The one pass over a request body.

use crate::anthropic::foreign;
use crate::anthropic::request::cuts::Cuts;
use crate::anthropic::request::{Facts, Purpose, System, Thinking};
use crate::call::Role;
use crate::dialect::Refused;
use crate::dialect::check::{self, Place, Seen, members, missing, refused, twice, wrong_type};
use crate::json::{Kind, Scanner, Span, Text};
use crate::openai::MessageFacts;

/// Who speaks in `messages`. Some models take instructions between the turns, of role `system`.
const ROLES: [Role; 3] = [Role::User, Role::Assistant, Role::System];

/// Members beside [`Member`]'s that let the model call or run something; one occurrence is enough.
const OTHER_TOOLS: [&str; 2] = ["mcp_servers", "container"];

const TEXT_OR_BLOCKS: &str = "a string or an array of content blocks";

members! {
    /// A top-level member that is read.
    Member:
    Model = "model",
    Messages = "messages",
    System = "system",
    MaxTokens = "max_tokens",
    Stream = "stream",
    Tools = "tools",
    ToolChoice = "tool_choice",
    Thinking = "thinking",
    OutputConfig = "output_config",
    OutputFormat = "output_format",
    Metadata = "metadata",
    StopSequences = "stop_sequences",
    Temperature = "temperature",
    TopP = "top_p",
    TopK = "top_k",
    ServiceTier = "service_tier",
}

members! {
    /// A member of a content block, or of a block's source, that is read.
    BlockMember:
    Type = "type",
    Text = "text",
    Content = "content",
    Source = "source",
    Data = "data",
    Title = "title",
    Context = "context",
    Input = "input",
    Signature = "signature",
}

impl Facts {
    /// The caller gave the member a value.
    pub(super) fn said(&self, member: Member) -> bool {
        self.seen.has(member.bit()) && !self.nulls.iter().any(|(null, _)| *null == member)
    }
}

pub(super) fn facts(body: &[u8], purpose: Purpose) -> Result<Facts, Refused> {
    let mut parse = Parse { scanner: Scanner::new(body)?, facts: Facts::default() };
    parse.request()?;
    let required: &[Member] = match purpose {
        Purpose::Answer => &[Member::Model, Member::MaxTokens, Member::Messages],
        Purpose::Count => &[Member::Model, Member::Messages],
    };
    match required.iter().find(|member| !parse.facts.said(**member)) {
        Some(member) => Err(missing(member.name())),
        None => Ok(parse.facts),
    }
}

struct Parse<'a> {
    scanner: Scanner<'a>,
    facts: Facts,
}

/// What a content holds.
#[derive(Clone, Copy, Debug, Default)]
struct Holds {
    /// Of the writer's own texts.
    characters: usize,
    /// Of tools' results.
    tool_characters: usize,
    blocks: usize,
    /// Blocks that are results of tools.
    results: usize,
    /// There are calls of tools.
    calls: bool,
    /// Thoughts of another provider.
    foreign: usize,
}

impl<'a> Parse<'a> {
    fn request(&mut self) -> Result<(), Refused> {
        if self.scanner.peek()? != Kind::Object {
            return Err(wrong_type(None::<&str>, "an object", self.scanner.peek()?));
        }
        let mut object = self.scanner.object()?;
        while let Some(name) = self.scanner.member(&mut object)? {
            let name = name.decode();
            match Member::of(&name) {
                Some(member) => self.member(member)?,
                None => {
                    let value = self.scanner.value()?;
                    self.facts.tools |= OTHER_TOOLS.contains(&&*name) && !check::is_nothing(value);
                }
            }
            self.facts.end = self.scanner.offset();
        }
        Ok(self.scanner.end()?)
    }

    fn member(&mut self, member: Member) -> Result<(), Refused> {
        let name = member.name();
        if !self.facts.seen.add(member.bit()) {
            return Err(twice(name));
        }
        if self.scanner.peek()? == Kind::Null {
            let span = self.scanner.skip()?;
            self.facts.nulls.push((member, span));
            return Ok(());
        }
        match member {
            Member::Model => {
                (self.facts.model, self.facts.model_span) = check::model(&mut self.scanner)?;
                Ok(())
            }
            Member::Messages => self.messages(),
            Member::System => self.system(),
            Member::MaxTokens => {
                self.facts.max_tokens = Some(check::integer(&mut self.scanner, name, 0, u64::MAX)?);
                Ok(())
            }
            Member::Stream => {
                check::expect(&mut self.scanner, &[Kind::Bool], "a boolean", name)?;
                self.facts.stream = self.scanner.boolean()?;
                Ok(())
            }
            Member::Tools => self.tools(),
            Member::Metadata => self.metadata(),
            Member::Thinking => self.thinking(),
            Member::ToolChoice => {
                self.facts.tools = true;
                check::pass(&mut self.scanner, &[Kind::Object], "an object", name)
            }
            Member::OutputConfig | Member::OutputFormat => {
                check::pass(&mut self.scanner, &[Kind::Object], "an object", name)
            }
            Member::StopSequences => {
                check::pass(&mut self.scanner, &[Kind::Array], "an array of strings", name)
            }
            Member::Temperature | Member::TopP | Member::TopK => {
                check::pass(&mut self.scanner, &[Kind::Number], "a number", name)
            }
            Member::ServiceTier => check::pass(&mut self.scanner, &[Kind::String], "a string", name),
        }
    }

    fn system(&mut self) -> Result<(), Refused> {
        let place = Place::Top("system");
        check::expect(&mut self.scanner, &[Kind::String, Kind::Array], TEXT_OR_BLOCKS, place)?;
        let (start, cut) = (self.scanner.offset(), self.facts.foreign.len());
        let text = self.scanner.peek()? == Kind::String;
        let holds = self.content(&place)?;
        // Nobody thinks here: what looks like it is the provider's to refuse.
        self.facts.foreign.truncate(cut);
        let span = Span { start, end: self.scanner.offset() };
        self.facts.system = if text {
            System::Text { at: start + 1, empty: span.end - span.start == 2 }
        } else {
            System::Blocks { at: start + 1, comma: holds.blocks > 0 }
        };
        let characters = holds.characters + holds.tool_characters;
        self.facts.messages.insert(0, MessageFacts { role: Role::System, span, characters });
        Ok(())
    }

    fn metadata(&mut self) -> Result<(), Refused> {
        let user = self.text_of(&Place::Top("metadata"), "user_id")?;
        self.facts.user = user.map(|user| user.decode().into_owned());
        Ok(())
    }

    fn thinking(&mut self) -> Result<(), Refused> {
        let kind = self.text_of(&Place::Top("thinking"), "type")?;
        let is = |name| kind.is_some_and(|kind| kind.is(name));
        self.facts.thinking = match () {
            () if is("enabled") => Thinking::Enabled,
            () if is("adaptive") => Thinking::Adaptive,
            () => Thinking::Off,
        };
        Ok(())
    }

    /// The text that is a member of an object.
    fn text_of(&mut self, place: &Place<'_>, wanted: &str) -> Result<Option<Text<'a>>, Refused> {
        check::expect(&mut self.scanner, &[Kind::Object], "an object", place)?;
        let mut object = self.scanner.object()?;
        let mut found = None;
        while let Some(name) = self.scanner.member(&mut object)? {
            if !name.is(wanted) {
                self.scanner.skip()?;
                continue;
            }
            let place = place.member(wanted);
            if found.is_some() {
                return Err(twice(place));
            }
            check::expect(&mut self.scanner, &[Kind::String, Kind::Null], "a string", place)?;
            found = Some(if self.scanner.null()? { None } else { Some(self.scanner.string()?) });
        }
        Ok(found.flatten())
    }

    fn tools(&mut self) -> Result<(), Refused> {
        let place = Place::Top("tools");
        check::expect(&mut self.scanner, &[Kind::Array], "an array of objects", place)?;
        let start = self.scanner.offset();
        let mut number = 0;
        let mut array = self.scanner.array()?;
        while self.scanner.element(&mut array)? {
            check::pass(&mut self.scanner, &[Kind::Object], "an object", place.item(number))?;
            number += 1;
        }
        self.facts.tools |= number > 0;
        self.facts.other_characters += self.scanner.offset() - start;
        Ok(())
    }

    fn messages(&mut self) -> Result<(), Refused> {
        let place = Place::Top("messages");
        check::expect(&mut self.scanner, &[Kind::Array], "an array of objects", place)?;
        self.facts.messages.reserve(8);
        let mut cuts = Cuts::default();
        let mut number = 0;
        let mut array = self.scanner.array()?;
        while self.scanner.element(&mut array)? {
            let within = self.facts.foreign.len();
            let (message, foreign) = self.message(&place.item(number))?;
            if foreign {
                self.facts.foreign.truncate(within);
            }
            cuts.element(message.span, foreign);
            self.facts.messages.push(message);
            number += 1;
        }
        if number == 0 {
            return Err(refused("messages", "`messages` must have at least one message", "invalid_value"));
        }
        self.facts.foreign.extend(cuts.finish());
        Ok(())
    }

    /// A message, and whether it is nothing but thoughts of another provider.
    fn message(&mut self, place: &Place<'_>) -> Result<(MessageFacts, bool), Refused> {
        check::expect(&mut self.scanner, &[Kind::Object], "an object", place)?;
        let start = self.scanner.offset();
        let (mut role, mut content) = (None, None);
        let mut object = self.scanner.object()?;
        while let Some(name) = self.scanner.member(&mut object)? {
            match &*name.decode() {
                "role" if role.is_some() => return Err(twice(place.member("role"))),
                "role" => role = Some(self.role(&place.member("role"))?),
                "content" if content.is_some() => return Err(twice(place.member("content"))),
                "content" => {
                    let place = place.member("content");
                    check::expect(&mut self.scanner, &[Kind::String, Kind::Array], TEXT_OR_BLOCKS, place)?;
                    let start = self.scanner.offset();
                    let holds = self.content(&place)?;
                    content = Some((holds, Span { start, end: self.scanner.offset() }));
                }
                _ => drop(self.scanner.skip()?),
            }
        }
        let Some(role) = role else { return Err(missing(place.member("role"))) };
        // What stands between the turns may be a setting instead of a text.
        if content.is_none() && role != Role::System {
            return Err(missing(place.member("content")));
        }
        let span = Span { start, end: self.scanner.offset() };
        let (holds, content) = content.unwrap_or_default();
        let foreign = holds.blocks > 0 && holds.blocks == holds.foreign;
        let tool = holds.blocks > 0 && holds.blocks == holds.results;
        match role {
            Role::User if tool => {
                let message = MessageFacts { role: Role::Tool, span, characters: holds.tool_characters };
                return Ok((message, foreign));
            }
            Role::User => self.facts.last_user = Some(content),
            Role::Assistant => self.facts.thoughtless_calls = holds.calls && holds.foreign > 0,
            _ => {}
        }
        self.facts.other_characters += holds.tool_characters;
        Ok((MessageFacts { role, span, characters: holds.characters }, foreign))
    }

    fn role(&mut self, place: &Place<'_>) -> Result<Role, Refused> {
        check::expect(&mut self.scanner, &[Kind::String], "a string", place)?;
        let role = self.scanner.string()?;
        ROLES.into_iter().find(|known| role.is(known.as_str())).ok_or_else(|| {
            let known = ROLES.map(Role::as_str).join("`, `");
            refused(place, &format!("`{place}` must be one of `{known}`"), "invalid_value")
        })
    }

    /// A string, or the blocks of a message.
    fn content(&mut self, place: &Place<'_>) -> Result<Holds, Refused> {
        if self.scanner.peek()? == Kind::String {
            return Ok(Holds { characters: self.scanner.string()?.characters(), ..Holds::default() });
        }
        let mut holds = Holds::default();
        let mut cuts = Cuts::default();
        let mut array = self.scanner.array()?;
        while self.scanner.element(&mut array)? {
            let place = place.item(holds.blocks);
            check::expect(&mut self.scanner, &[Kind::Object], "an object", place)?;
            let start = self.scanner.offset();
            let block = self.block(&place)?;
            let Some(kind) = block.kind else { return Err(missing(place.member("type"))) };
            holds.blocks += 1;
            holds.calls |= kind.is("tool_use");
            // Those of the provider's own tools have names of their own.
            if kind.decode().ends_with("tool_result") {
                holds.results += 1;
                holds.tool_characters += block.characters;
            } else {
                holds.characters += block.characters;
            }
            let foreign = block.is_foreign();
            holds.foreign += usize::from(foreign);
            cuts.element(Span { start, end: self.scanner.offset() }, foreign);
        }
        self.facts.foreign.extend(cuts.finish());
        Ok(holds)
    }

    /// One block with what is inside of it: the result of a tool has blocks of its own, a document a source.
    fn block(&mut self, place: &Place<'_>) -> Result<Block<'a>, Refused> {
        let mut block = Block::default();
        let mut seen = Seen::default();
        let mut text = None;
        let mut object = self.scanner.object()?;
        while let Some(name) = self.scanner.member(&mut object)? {
            let Some(member) = BlockMember::of(&name.decode()) else {
                self.scanner.skip()?;
                continue;
            };
            let place = place.member(member.name());
            if !seen.add(member.bit()) {
                return Err(twice(place));
            }
            match (member, self.scanner.peek()?) {
                (BlockMember::Type, _) => {
                    check::expect(&mut self.scanner, &[Kind::String], "a string", place)?;
                    block.kind = Some(self.scanner.string()?);
                }
                (BlockMember::Text, Kind::String) => text = Some(Ok(self.scanner.string()?)),
                (BlockMember::Text, kind) => {
                    self.scanner.skip()?;
                    text = Some(Err(kind));
                }
                (BlockMember::Signature, Kind::String) => block.signature = self.scanner.string()?,
                (BlockMember::Data, Kind::String) => block.data = self.scanner.string()?,
                // Of a call: read by the model, and no text of anybody's.
                (BlockMember::Input, _) => self.facts.other_characters += self.scanner.value()?.len(),
                (BlockMember::Content, Kind::Array) => block.characters += self.inner(&place)?,
                (BlockMember::Source, Kind::Object) => block.characters += self.source(&place)?,
                // A title, a context, the source of a search result: texts as well.
                (_, Kind::String) => block.characters += self.scanner.string()?.characters(),
                _ => drop(self.scanner.skip()?),
            }
        }
        let is = |name| block.kind.is_some_and(|kind| kind.is(name));
        match text {
            Some(Ok(text)) => block.characters += text.characters(),
            Some(Err(found)) if is("text") => {
                return Err(wrong_type(Some(place.member("text")), "a string", found));
            }
            None if is("text") => return Err(missing(place.member("text"))),
            _ => {}
        }
        self.facts.images += usize::from(is("image"));
        Ok(block)
    }

    /// The characters of the blocks inside a block. What is no block there is left to the provider.
    fn inner(&mut self, place: &Place<'_>) -> Result<usize, Refused> {
        let (mut characters, mut number) = (0, 0);
        let mut array = self.scanner.array()?;
        while self.scanner.element(&mut array)? {
            if self.scanner.peek()? == Kind::Object {
                characters += self.block(&place.item(number))?.characters;
            } else {
                self.scanner.skip()?;
            }
            number += 1;
        }
        Ok(characters)
    }

    /// The characters of a document's source: a text as it is, or blocks. In base64 it has none.
    fn source(&mut self, place: &Place<'_>) -> Result<usize, Refused> {
        let (mut kind, mut data, mut characters) = (None, Text::default(), 0);
        let mut seen = Seen::default();
        let mut object = self.scanner.object()?;
        while let Some(name) = self.scanner.member(&mut object)? {
            let Some(member) = BlockMember::of(&name.decode()) else {
                self.scanner.skip()?;
                continue;
            };
            let place = place.member(member.name());
            if !seen.add(member.bit()) {
                return Err(twice(place));
            }
            match (member, self.scanner.peek()?) {
                (BlockMember::Type, Kind::String) => kind = Some(self.scanner.string()?),
                (BlockMember::Data, Kind::String) => data = self.scanner.string()?,
                (BlockMember::Content, Kind::String) => characters += self.scanner.string()?.characters(),
                (BlockMember::Content, Kind::Array) => characters += self.inner(&place)?,
                _ => drop(self.scanner.skip()?),
            }
        }
        let text = kind.is_some_and(|kind| kind.is("text"));
        Ok(if text { characters + data.characters() } else { characters })
    }
}

/// What is known of one block.
#[derive(Clone, Copy, Default)]
struct Block<'a> {
    kind: Option<Text<'a>>,
    /// Of its texts and those inside of it.
    characters: usize,
    signature: Text<'a>,
    data: Text<'a>,
}

impl Block<'_> {
    /// It is a thought that another provider gave to the caller.
    fn is_foreign(&self) -> bool {
        let is = |name| self.kind.is_some_and(|kind| kind.is(name));
        let ours = |text: Text<'_>| text.decode().starts_with(foreign::MARK);
        (is("thinking") && ours(self.signature)) || (is("redacted_thinking") && ours(self.data))
    }
}
