@echo off
rem Runs importer once and tells the Task Scheduler what became of it. Credentials
rem are variables of the account that the task runs as, or a managed identity.
cd /d C:\importer
importer.exe run mappings\helpdesk.yaml --target graph --quiet --json >>helpdesk.log 2>>helpdesk.err
set code=%ERRORLEVEL%
rem Records in quarantine, the end of a time window and another run at work are no failures of this job.
if %code%==3 exit /b 0
if %code%==10 exit /b 0
if %code%==11 exit /b 0
exit /b %code%
