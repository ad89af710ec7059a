/// k
#[derive(Debug, Clone)]
pub struct PrivateKey;
