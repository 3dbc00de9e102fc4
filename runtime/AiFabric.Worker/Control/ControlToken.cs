using System.Security.Cryptography;
using System.Text;
using AiFabric.Worker.CommandLine;
using AiFabric.Worker.Errors;

namespace AiFabric.Worker.Control;

/// <summary>The bearer token of the control port. Only its hash is kept, and hashes are compared in constant time.</summary>
internal sealed class ControlToken
{
    private readonly byte[]? hash;

    private ControlToken(byte[]? hash) => this.hash = hash;

    /// <param name="file">File that holds the token; null for <paramref name="text"/>.</param>
    /// <param name="text">The token itself; null too asks for none.</param>
    /// <exception cref="UsageException">The file cannot be read or is empty.</exception>
    public static ControlToken Read(string? file, string? text)
    {
        if (file is null)
            return new ControlToken(text is null ? null : Hash(text.Trim()));
        try
        {
            string token = File.ReadAllText(file).Trim();
            return token.Length > 0 ? new ControlToken(Hash(token)) : throw new UsageException($"--control-token-file: '{file}' is empty.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"--control-token-file: '{file}' cannot be read: {e.Message}");
        }
    }

    /// <summary>Lets a request through, or refuses it.</summary>
    /// <exception cref="ApiException">401.</exception>
    public Task GuardAsync(HttpContext context, RequestDelegate next)
    {
        if (hash is null || Matches(context.Request.Headers.Authorization.ToString()))
            return next(context);
        context.Response.Headers.WWWAuthenticate = "Bearer";
        throw new ApiException(401, "The control port needs the header 'Authorization: Bearer TOKEN' with the token of --control-token-file.", code: "invalid_token");
    }

    private bool Matches(string header) =>
        header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) && CryptographicOperations.FixedTimeEquals(Hash(header[7..].Trim()), hash);

    private static byte[] Hash(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));
}
