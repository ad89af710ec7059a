# The Ant Migration Tool, which is WSC beneath: it logs in with a password for every task.
source "$SUPPORT/proxy.sh"

cat > build.xml << END
<project default="all" xmlns:sf="antlib:com.salesforce">
    <taskdef resource="com/salesforce/antlib.xml" uri="antlib:com.salesforce">
        <classpath><pathelement location="$MODULES/grunt-ant-sfdc/deps/ant-salesforce.jar"/></classpath>
    </taskdef>
    <target name="all">
        <sf:describeMetadata serverurl="$PROXY" username="x" password="x" resultFilePath="describe.log"/>
        <sf:listMetadata serverurl="$PROXY" username="x" password="x" metadataType="ReportFolder"
            resultFilePath="list.log"/>
        $(readme 'Ant Migration Tool' xml)
        <sf:deploy serverurl="$PROXY" username="x" password="x" deployRoot="retrieved/unpackaged"/>
        <sf:bulkRetrieve serverurl="$PROXY" username="x" password="x" metadataType="CustomObject"
            retrieveTarget="retrieved"/>
        <sf:deploy serverurl="$PROXY" sessionId="$PLACEHOLDER" deployRoot="retrieved/unpackaged"/>
    </target>
</project>
END
cat > package.xml << 'END'
<?xml version="1.0" encoding="UTF-8"?>
<Package xmlns="http://soap.sforce.com/2006/04/metadata">
    <types><members>*</members><name>CustomObject</name></types>
    <version>38.0</version>
</Package>
END
mkdir retrieved
for run in 1 2; do
    [ $run -eq 1 ] || end_session
    ant > told.txt 2>&1 || { cat told.txt; exit 1; }
    finds 'BUILD SUCCESSFUL' 'DEPLOYMENT SUCCEEDED' 'Debugging Information:' < told.txt
done
finds 'XMLName: Dashboard' 'InFolder: true' < describe.log
finds reports/Billing < list.log
echo "describe, list, retrieve, deploy and bulk retrieve"
