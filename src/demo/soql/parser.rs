//! A query's structure.

use serde_json::Value;

use super::{
    Error,
    lexer::{Token, TokenKind, tokens},
};

#[derive(Debug, PartialEq)]
pub(super) struct Query {
    pub(super) select: Select,
    pub(super) object: Name,
    pub(super) condition: Option<Condition>,
    pub(super) order: Vec<Order>,
    pub(super) limit: Option<usize>,
    pub(super) offset: usize,
}

#[derive(Debug, PartialEq)]
pub(super) enum Select {
    Fields(Vec<Name>),
    /// `COUNT()`: only the number of records.
    Count,
    /// `COUNT(field)`: one record with the number.
    CountField(Name),
}

/// A field path or an object, and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) at: usize,
}

#[derive(Debug, PartialEq)]
pub(super) enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Compare(Name, Comparison, Literal),
    In(Name, Vec<Literal>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
}

#[derive(Debug, PartialEq)]
pub(super) struct Literal {
    /// Dates are strings.
    pub(super) value: Value,
    pub(super) is_date: bool,
    pub(super) at: usize,
}

#[derive(Debug, PartialEq)]
pub(super) struct Order {
    pub(super) field: Name,
    pub(super) descending: bool,
    pub(super) nulls_last: bool,
}

/// Reads a query. The errors already show their place in it.
pub(super) fn parse(query: &str) -> Result<Query, Error> {
    let parsed = tokens(query).and_then(|tokens| Parser { tokens, next: 0 }.query());
    parsed.map_err(|error| error.shown_in(query))
}

struct Parser {
    /// The last one is the end, and is never passed.
    tokens: Vec<Token>,
    next: usize,
}

impl Parser {
    fn query(&mut self) -> Result<Query, Error> {
        self.expect("SELECT")?;
        let select = self.select()?;
        self.expect("FROM")?;
        let object = self.name()?;
        let condition = if self.eat("WHERE") {
            Some(self.condition(0)?)
        } else {
            None
        };
        let order = if self.eat("ORDER") {
            self.order()?
        } else {
            Vec::new()
        };
        let limit = if self.eat("LIMIT") {
            Some(self.count()?)
        } else {
            None
        };
        let offset = if self.eat("OFFSET") { self.count()? } else { 0 };
        if self.peek().kind != TokenKind::End {
            return Err(self.unexpected());
        }
        Ok(Query {
            select,
            object,
            condition,
            order,
            limit,
            offset,
        })
    }

    fn select(&mut self) -> Result<Select, Error> {
        if self.is_word("COUNT") && self.tokens[self.next + 1].kind == TokenKind::Symbol("(") {
            self.next += 2;
            if self.eat_symbol(")") {
                return Ok(Select::Count);
            }
            let field = self.name()?;
            self.expect_symbol(")")?;
            return Ok(Select::CountField(field));
        }
        let mut fields = vec![self.name()?];
        while self.eat_symbol(",") {
            fields.push(self.name()?);
        }
        Ok(Select::Fields(fields))
    }

    /// Terms joined by either AND or OR: a mixture needs parentheses.
    fn condition(&mut self, depth: usize) -> Result<Condition, Error> {
        let mut terms = vec![self.term(depth)?];
        for (joiner, join) in [
            ("AND", Condition::All as fn(_) -> _),
            ("OR", Condition::Any),
        ] {
            if self.is_word(joiner) {
                while self.eat(joiner) {
                    terms.push(self.term(depth)?);
                }
                return Ok(join(terms));
            }
        }
        Ok(Condition::All(terms))
    }

    fn term(&mut self, depth: usize) -> Result<Condition, Error> {
        if depth > DEEPEST {
            return Err(self.unexpected());
        }
        if self.eat("NOT") {
            return Ok(Condition::Not(Box::new(self.term(depth + 1)?)));
        }
        if self.eat_symbol("(") {
            let condition = self.condition(depth + 1)?;
            self.expect_symbol(")")?;
            return Ok(condition);
        }
        let field = self.name()?;
        let negated = self.is_word("NOT");
        if negated {
            self.next += 1;
        }
        if negated || self.is_word("IN") {
            self.expect("IN")?;
            let within = Condition::In(field, self.literals()?);
            return Ok(if negated {
                Condition::Not(Box::new(within))
            } else {
                within
            });
        }
        let comparison = self.comparison()?;
        Ok(Condition::Compare(field, comparison, self.literal()?))
    }

    fn comparison(&mut self) -> Result<Comparison, Error> {
        let comparison = match &self.peek().kind {
            TokenKind::Symbol("=") => Comparison::Equal,
            TokenKind::Symbol("!=" | "<>") => Comparison::NotEqual,
            TokenKind::Symbol("<") => Comparison::Less,
            TokenKind::Symbol("<=") => Comparison::LessOrEqual,
            TokenKind::Symbol(">") => Comparison::Greater,
            TokenKind::Symbol(">=") => Comparison::GreaterOrEqual,
            TokenKind::Word(word) if word.eq_ignore_ascii_case("LIKE") => Comparison::Like,
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok(comparison)
    }

    fn literals(&mut self) -> Result<Vec<Literal>, Error> {
        self.expect_symbol("(")?;
        let mut literals = vec![self.literal()?];
        while self.eat_symbol(",") {
            literals.push(self.literal()?);
        }
        self.expect_symbol(")")?;
        Ok(literals)
    }

    fn literal(&mut self) -> Result<Literal, Error> {
        let token = self.peek();
        let (value, is_date) = match &token.kind {
            TokenKind::Text(text) => (Value::from(text.as_str()), false),
            TokenKind::Number(number) => (Value::from(*number), false),
            TokenKind::Date(date) => (Value::from(date.as_str()), true),
            TokenKind::Word(word) => match word.to_ascii_lowercase().as_str() {
                "true" => (Value::Bool(true), false),
                "false" => (Value::Bool(false), false),
                "null" => (Value::Null, false),
                _ => return Err(self.unexpected()),
            },
            _ => return Err(self.unexpected()),
        };
        let at = token.at;
        self.next += 1;
        Ok(Literal { value, is_date, at })
    }

    fn order(&mut self) -> Result<Vec<Order>, Error> {
        self.expect("BY")?;
        let mut order = Vec::new();
        loop {
            let field = self.name()?;
            let descending = self.eat("DESC");
            if !descending {
                self.eat("ASC");
            }
            let mut nulls_last = false;
            if self.eat("NULLS") {
                nulls_last = self.eat("LAST");
                if !nulls_last {
                    self.expect("FIRST")?;
                }
            }
            order.push(Order {
                field,
                descending,
                nulls_last,
            });
            if !self.eat_symbol(",") {
                return Ok(order);
            }
        }
    }

    fn count(&mut self) -> Result<usize, Error> {
        match self.peek().kind {
            TokenKind::Number(number) if number >= 0.0 && number.fract() == 0.0 => {
                self.next += 1;
                Ok(number as usize)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn name(&mut self) -> Result<Name, Error> {
        let token = self.peek();
        let name = match &token.kind {
            TokenKind::Word(word) if !is_reserved(word) => Name {
                text: word.clone(),
                at: token.at,
            },
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok(name)
    }

    fn expect(&mut self, keyword: &str) -> Result<(), Error> {
        if self.eat(keyword) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn eat(&mut self, keyword: &str) -> bool {
        let eaten = self.is_word(keyword);
        self.next += usize::from(eaten);
        eaten
    }

    fn is_word(&self, keyword: &str) -> bool {
        matches!(&self.peek().kind, TokenKind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn expect_symbol(&mut self, symbol: &'static str) -> Result<(), Error> {
        if self.eat_symbol(symbol) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn eat_symbol(&mut self, symbol: &'static str) -> bool {
        let eaten = self.peek().kind == TokenKind::Symbol(symbol);
        self.next += usize::from(eaten);
        eaten
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.next]
    }

    fn unexpected(&self) -> Error {
        let token = self.peek();
        Error::malformed(
            token.at,
            format!("unexpected token: {}", token.kind.shown()),
        )
    }
}

fn is_reserved(word: &str) -> bool {
    let reserved = [
        "SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "IN", "LIKE", "ORDER", "LIMIT", "OFFSET",
        "NULL",
    ];
    reserved
        .iter()
        .any(|other| word.eq_ignore_ascii_case(other))
}

/// Parentheses and NOTs within each other, so that no query exhausts the stack.
const DEEPEST: usize = 32;
