namespace AiFabric.Gateway.Finetuning.Files;

/// <summary>A file in the store.</summary>
/// <param name="Id"><c>file-…</c>.</param>
/// <param name="Tenant">Whose it is; empty where no keys are asked for.</param>
/// <param name="Key">Part of the address under which workers fetch it, and known to nobody else.</param>
/// <param name="Filename">As the client named it.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Format">What its lines are.</param>
/// <param name="CreatedAt">Unix seconds.</param>
/// <param name="Purpose"><see cref="FilePurposes"/>.</param>
public sealed record StoredFile(
    string Id, string Tenant, string Key, string Filename, long Bytes, LineFormat Format, long CreatedAt, string Purpose = FilePurposes.FineTune);

/// <summary>What a file is for, in OpenAI's words.</summary>
public static class FilePurposes
{
    /// <summary>Lines to train on, checked when they come.</summary>
    public const string FineTune = "fine-tune";

    /// <summary>Any text, such as the input of a pipeline's run.</summary>
    public const string UserData = "user_data";
}

/// <summary>What the lines of a training file are, by the names of a FinetuneJob's <c>dataset.format</c>.</summary>
public enum LineFormat
{
    /// <summary><c>text</c>.</summary>
    Text,

    /// <summary><c>prompt</c> and <c>completion</c>.</summary>
    PromptCompletion,

    /// <summary><c>messages</c>, OpenAI's format for chat models.</summary>
    Chat,
}
