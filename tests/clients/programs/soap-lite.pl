# SOAP::Lite as the Salesforce modules for Perl use it, with parts that are in no namespace.
use strict;
use warnings;
use HTTP::Tiny;
use SOAP::Lite;

my $proxy = $ENV{PROXY};
my ($ns, $prefix) = ('urn:partner.soap.sforce.com', 'sfons');

sub client { SOAP::Lite->proxy(shift)->uri($ns)->on_action(sub { '""' })->multirefinplace(1) }

sub call {
    my $client = shift;
    my $answer = $client->call(@_);
    die $answer->faultcode . ': ' . $answer->faultstring . "\n" if $answer->fault;
    return $answer;
}

sub method { SOAP::Data->name(shift)->prefix($prefix)->uri($ns) }

sub end_session {
    my $ended = HTTP::Tiny->new->delete("$proxy/services/apexrest/demo/session");
    die $ended->{content} unless $ended->{content} =~ /"ended":1/;
}

my $login = call(
    client("$proxy/services/Soap/u/62.0"), method('login'),
    SOAP::Data->name(username => 'me@example.com'), SOAP::Data->name(password => 'any'),
)->valueof('//loginResponse/result');
die $login->{serverUrl} unless index($login->{serverUrl}, "$proxy/services/Soap/u/62.0/00D") == 0;
print "login\n";

my $client = client($login->{serverUrl});
my $session = SOAP::Header->name(SessionHeader => \SOAP::Header->name(sessionId => $login->{sessionId}))
    ->uri($ns)->prefix($prefix);

end_session();
my @records = call($client, method('query'),
    SOAP::Data->name(queryString => 'SELECT Id, Name FROM Account'), $session)->valueof('//records');
die scalar @records unless @records == 20;
print "query\n";

end_session();
my $made = call($client, method('create'), $session,
    SOAP::Data->name(sObjects => \SOAP::Data->value(
        SOAP::Data->name(type => 'Account'), SOAP::Data->name(Name => 'Made by Perl'))),
)->valueof('//result');
die 'not made' unless $made->{success} eq 'true';
end_session();
my $deleted = call($client, method('delete'), $session, SOAP::Data->name(ids => $made->{id}))
    ->valueof('//result');
die 'not deleted' unless $deleted->{success} eq 'true';
print "create and delete\n";
