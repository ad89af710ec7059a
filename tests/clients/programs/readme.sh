# Lines of the manual that need nothing but a language.
source "$SUPPORT/proxy.sh"

cp "$SUPPORT/partner.wsdl" .
echo silent > ~/.curlrc

readme curl sh | bash -e | finds '"totalSize":20'
echo "curl"

end_session
php -r "$(readme PHP php)" | finds 'Zürich Timber'
end_session
php -r "$(readme SoapClient php) print_r(\$found);" | finds '[size] => 20' 'Zürich Timber'
echo "PHP"

end_session
perl -MSOAP::Lite -e "$(readme Perl perl)"' print scalar(my @records = $found->valueof("//records"));' | finds 20
echo "Perl"
