using System.Text.Json;

namespace AiFabric.Cluster.Tests.Load;

/// <summary>Checks the events of one streamed chat as they come, as a strict client would.</summary>
internal sealed class EventSequence
{
    private string? _id;
    private bool _finished;
    private bool _done;

    /// <summary>Events with text so far.</summary>
    public int Tokens { get; private set; }

    /// <summary>The message of the final error event, if there was one.</summary>
    public string? Error { get; private set; }

    /// <summary>The first thing that no client could make sense of.</summary>
    public string? Nonsense { get; private set; }

    public StreamEnding Ending =>
        Nonsense is not null ? StreamEnding.Malformed
        : Error is not null ? (Tokens > 0 ? StreamEnding.ErrorEvent : StreamEnding.FailedBeforeFirstToken)
        : _done && _finished ? StreamEnding.Complete
        : StreamEnding.Truncated;

    /// <param name="data">What follows <c>data: </c>.</param>
    public void Take(string data)
    {
        if (_done || Error is not null)
        {
            Nonsense ??= $"an event after the final one: {data}";
            return;
        }
        if (data == "[DONE]")
        {
            _done = true;
            return;
        }
        try
        {
            using JsonDocument document = JsonDocument.Parse(data);
            Take(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            Nonsense ??= $"{e.Message}: {data}";
        }
    }

    private void Take(JsonElement chunk)
    {
        if (chunk.TryGetProperty("error", out JsonElement error))
        {
            Error = $"{error.GetProperty("code").GetString()}: {error.GetProperty("message").GetString()}";
            return;
        }
        string? id = chunk.GetProperty("id").GetString();
        if ((_id ??= id) != id)
            Nonsense ??= $"an event of {id} in the stream of {_id}";
        JsonElement choice = chunk.GetProperty("choices")[0];
        bool hasText = choice.GetProperty("delta").TryGetProperty("content", out JsonElement content)
            && content.ValueKind == JsonValueKind.String && content.GetString()!.Length > 0; // a string is never null
        if (_finished && hasText)
            Nonsense ??= "text after the finish reason";
        Tokens += hasText ? 1 : 0;
        _finished |= choice.TryGetProperty("finish_reason", out JsonElement reason) && reason.ValueKind == JsonValueKind.String;
    }
}
