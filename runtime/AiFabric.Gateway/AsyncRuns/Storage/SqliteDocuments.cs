using Microsoft.Data.Sqlite;

namespace AiFabric.Gateway.AsyncRuns.Storage;

/// <summary>Documents in one SQLite file, which several processes of one machine may share.</summary>
/// <remarks>
/// WAL with synchronous=FULL: what was written survives a kill and a loss of power. SQLite's calls block, each for about a flush of the disk; none waits longer
/// than <see cref="BusySeconds"/> for another process.
/// </remarks>
public sealed class SqliteDocuments : IDocuments, IDisposable
{
    private const int BusySeconds = 5;
    private const int SweepLimit = 1_000;
    private const string Schema = """
        PRAGMA journal_mode=WAL;
        CREATE TABLE IF NOT EXISTS documents(key TEXT PRIMARY KEY, json BLOB NOT NULL, etag TEXT NOT NULL, expires INTEGER);
        CREATE INDEX IF NOT EXISTS expiring ON documents(expires) WHERE expires IS NOT NULL;
        """;

    private static readonly TimeSpan SweepPeriod = TimeSpan.FromMinutes(1);

    private readonly string _connection;
    private readonly TimeProvider _time;
    private long _nextSweep;

    /// <summary>Opens or creates <c>FOLDER/runs.db</c>.</summary>
    /// <exception cref="StorageException">The folder cannot be written to, or the file is no database.</exception>
    public SqliteDocuments(string folder, TimeProvider time)
    {
        _time = time;
        _connection = new SqliteConnectionStringBuilder { DataSource = Path.Combine(folder, "runs.db"), DefaultTimeout = BusySeconds }.ToString();
        try
        {
            Directory.CreateDirectory(folder);
            Use(connection => Run(connection, Schema));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"Gateway:RunsFolder '{folder}' cannot be written to: {e.Message}", e);
        }
    }

    public Task<Document?> ReadAsync(string key, CancellationToken cancellationToken) => UseAsync(connection => Read(connection, key));

    public Task<IReadOnlyList<Document?>> ReadAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken) =>
        UseAsync<IReadOnlyList<Document?>>(connection => [.. keys.Select(key => Read(connection, key))]);

    public Task WriteAsync(string key, ReadOnlyMemory<byte> json, TimeSpan? keep, CancellationToken cancellationToken) => UseAsync(connection => Write(
        connection,
        """
        INSERT INTO documents(key, json, etag, expires) VALUES($key, $json, hex(randomblob(8)), $expires)
        ON CONFLICT(key) DO UPDATE SET json=excluded.json, etag=excluded.etag, expires=excluded.expires
        """,
        key, json, null, keep));

    public Task<bool> TryWriteAsync(string key, ReadOnlyMemory<byte> json, string? etag, TimeSpan? keep, CancellationToken cancellationToken)
    {
        // A document whose time is over is none, though it was not swept yet.
        string statement = etag is null
            ? """
              INSERT INTO documents(key, json, etag, expires) VALUES($key, $json, hex(randomblob(8)), $expires)
              ON CONFLICT(key) DO UPDATE SET json=excluded.json, etag=excluded.etag, expires=excluded.expires WHERE documents.expires<=$now
              """
            : "UPDATE documents SET json=$json, etag=hex(randomblob(8)), expires=$expires WHERE key=$key AND etag=$etag";
        return UseAsync(connection => Write(connection, statement, key, json, etag, keep) == 1);
    }

    public Task DeleteAsync(string key, CancellationToken cancellationToken) =>
        UseAsync(connection => Run(connection, "DELETE FROM documents WHERE key=$key", ("$key", key)));

    public void Dispose() => SqliteConnection.ClearPool(new SqliteConnection(_connection));

    private Document? Read(SqliteConnection connection, string key)
    {
        using SqliteCommand command = Command(connection, "SELECT json, etag FROM documents WHERE key=$key AND (expires IS NULL OR expires>$now)", ("$key", key), ("$now", Now));
        using SqliteDataReader reader = command.ExecuteReader();
        return reader.Read() ? new Document(reader.GetFieldValue<byte[]>(0), reader.GetString(1)) : null;
    }

    private int Write(SqliteConnection connection, string statement, string key, ReadOnlyMemory<byte> json, string? etag, TimeSpan? keep)
    {
        Sweep(connection);
        return Run(
            connection, statement, ("$key", key), ("$json", json.ToArray()), ("$etag", etag), ("$now", Now),
            ("$expires", keep is { } span ? Now + (long)span.TotalMilliseconds : null));
    }

    /// <summary>Deletes some of what may be forgotten, now and then.</summary>
    private void Sweep(SqliteConnection connection)
    {
        long due = Interlocked.Read(ref _nextSweep);
        if (Now < due || Interlocked.CompareExchange(ref _nextSweep, Now + (long)SweepPeriod.TotalMilliseconds, due) != due)
            return;
        Run(connection, "DELETE FROM documents WHERE key IN (SELECT key FROM documents WHERE expires<=$now LIMIT $limit)", ("$now", Now), ("$limit", SweepLimit));
    }

    private long Now => _time.GetUtcNow().ToUnixTimeMilliseconds();

    // SQLite waits for the disk, and the thread that asks may be one that serves sockets.
    private Task<T> UseAsync<T>(Func<SqliteConnection, T> work) => Task.Run(() => Use(work));

    private T Use<T>(Func<SqliteConnection, T> work)
    {
        try
        {
            using var connection = new SqliteConnection(_connection);
            connection.Open();
            Run(connection, "PRAGMA synchronous=FULL");
            return work(connection);
        }
        catch (SqliteException e)
        {
            throw new StorageException($"the database of runs failed: {e.Message}", e);
        }
    }

    private static int Run(SqliteConnection connection, string sql, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        using SqliteCommand command = Command(connection, sql, parameters);
        return command.ExecuteNonQuery();
    }

    private static SqliteCommand Command(SqliteConnection connection, string sql, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql; // Always a constant of this file.
        foreach ((string name, object? value) in parameters)
        {
            if (sql.Contains(name, StringComparison.Ordinal))
                command.Parameters.AddWithValue(name, value ?? DBNull.Value);
        }
        return command;
    }
}
