using System.Text.Json;
using Microsoft.Data.Sqlite;

namespace AiFabric.LocalCluster.Storage;

/// <summary>
/// The SQLite file: objects, and the recent events that watches resume from. In WAL mode with synchronous=NORMAL a commit survives the
/// death of the process (not always that of the machine), which is what a cluster for one machine needs.
/// </summary>
internal sealed class Database : IDisposable
{
    private const string Schema = """
        PRAGMA journal_mode=WAL;
        PRAGMA synchronous=NORMAL;
        PRAGMA busy_timeout=5000;
        CREATE TABLE IF NOT EXISTS objects(
            resource TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY(resource, ns, name)) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS events(
            revision INTEGER PRIMARY KEY, type TEXT NOT NULL, resource TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL,
            body TEXT NOT NULL, previous TEXT);
        CREATE TABLE IF NOT EXISTS counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
        """;

    private readonly SqliteConnection _connection;

    /// <summary>Opens or creates the file. In WAL mode several processes may have it open: <see cref="DataFolderLock"/> keeps others out.</summary>
    /// <exception cref="SqliteException">The file is not a database, or cannot be opened.</exception>
    public Database(string path)
    {
        _connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ToString());
        _connection.Open();
        Execute(Schema);
    }

    public void Dispose() => _connection.Dispose();

    public long ReadCounter(string name)
    {
        using var command = Command("SELECT value FROM counters WHERE name=$name", ("$name", name));
        return command.ExecuteScalar() as long? ?? 0;
    }

    public IEnumerable<StoredObject> ReadObjects()
    {
        using var command = Command("SELECT resource, ns, name, revision, body FROM objects");
        using var reader = command.ExecuteReader();
        while (reader.Read())
        {
            yield return new(
                reader.GetString(0), reader.GetString(1), reader.GetString(2), reader.GetInt64(3), Parse(reader.GetString(4)));
        }
    }

    public IEnumerable<StoredEvent> ReadEvents()
    {
        using var command = Command("SELECT revision, type, resource, ns, name, body, previous FROM events ORDER BY revision");
        using var reader = command.ExecuteReader();
        while (reader.Read())
        {
            yield return new(
                reader.GetInt64(0), reader.GetString(1), reader.GetString(2), reader.GetString(3), reader.GetString(4),
                Parse(reader.GetString(5)), reader.IsDBNull(6) ? null : Parse(reader.GetString(6)));
        }
    }

    /// <summary>Stores a change, its event and the revision counter in one transaction.</summary>
    public void Write(StoredEvent change, bool delete)
    {
        using var transaction = _connection.BeginTransaction();
        var body = change.Body.GetRawText();
        (string, object?)[] key = [("$resource", change.Resource), ("$ns", change.Namespace), ("$name", change.Name)];
        if (delete)
            Execute("DELETE FROM objects WHERE resource=$resource AND ns=$ns AND name=$name", key);
        else
            Execute("INSERT OR REPLACE INTO objects VALUES($resource,$ns,$name,$revision,$body)", [.. key, ("$revision", change.Revision), ("$body", body)]);
        Execute(
            "INSERT INTO events VALUES($revision,$type,$resource,$ns,$name,$body,$previous)",
            [.. key, ("$revision", change.Revision), ("$type", change.Type), ("$body", body), ("$previous", change.Previous?.GetRawText())]);
        Execute("INSERT OR REPLACE INTO counters VALUES('revision',$revision)", ("$revision", change.Revision));
        transaction.Commit();
    }

    /// <summary>Forgets the events up to and with <paramref name="revision"/>.</summary>
    public void Compact(long revision)
    {
        using var transaction = _connection.BeginTransaction();
        Execute("DELETE FROM events WHERE revision<=$revision", ("$revision", revision));
        Execute("INSERT OR REPLACE INTO counters VALUES('compacted',$revision)", ("$revision", revision));
        transaction.Commit();
    }

    private void Execute(string sql, params (string Name, object? Value)[] parameters)
    {
        using var command = Command(sql, parameters);
        command.ExecuteNonQuery();
    }

    private SqliteCommand Command(string sql, params (string Name, object? Value)[] parameters)
    {
        var command = _connection.CreateCommand();
        command.CommandText = sql;
        foreach (var (name, value) in parameters)
            command.Parameters.AddWithValue(name, value ?? DBNull.Value);
        return command;
    }

    private static JsonElement Parse(string text)
    {
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }
}
