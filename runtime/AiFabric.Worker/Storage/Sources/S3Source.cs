using System.Net;
using AiFabric.Worker.Storage.Transfer;
using Amazon;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;

namespace AiFabric.Worker.Storage.Sources;

/// <summary>
/// S3 and what speaks like it: <c>s3://bucket/prefix</c> is a folder, <c>s3://bucket/key</c> a file. Endpoint, region and credentials come from the
/// variables that all AWS tools know; without credentials there the SDK looks where a pod's role gives them.
/// </summary>
internal sealed class S3Source : IRemoteSource
{
    private const string Credentials = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

    private readonly string bucket;
    private readonly string key;
    private readonly AmazonS3Client client;

    /// <exception cref="StorageException">The URI or a variable is malformed.</exception>
    public S3Source(string uri, Func<string, string?> environment)
    {
        string[] parts = uri["s3://".Length..].Split('/', 2);
        bucket = parts[0].Length > 0 ? parts[0] : throw new StorageException($"'{uri}' names no bucket; write s3://bucket/prefix.");
        key = parts.Length > 1 ? parts[1].Trim('/') : "";
        var config = ConfigOf(environment);
        client = CredentialsOf(environment) is { } credentials ? new AmazonS3Client(credentials, config) : new AmazonS3Client(config);
    }

    public async Task<RemoteListing> ListAsync(CancellationToken cancellationToken)
    {
        string prefix = key.Length > 0 ? key + "/" : "";
        var keys = await AskAsync(() => KeysBelowAsync(prefix, cancellationToken));
        var files = new List<RemoteFile>();
        foreach (string found in keys)
            files.Add(await AskAsync(() => DescribeAsync(found[prefix.Length..], found, cancellationToken)));
        if (files.Count == 0 && key.Length > 0)
        {
            string name = key[(key.LastIndexOf('/') + 1)..];
            files.Add(await AskAsync(() => DescribeAsync(name, key, cancellationToken)) with { Packing = HttpSource.PackingOf(name) });
        }
        return files.Count > 0
            ? new RemoteListing(files.Count == 1 ? files[0].ETag ?? "unknown" : $"{files.Count} objects", files)
            : throw new DownloadException($"s3://{bucket} is empty", retryable: false);
    }

    public Task<RemoteContent> OpenAsync(RemoteFile file, long offset, CancellationToken cancellationToken) => AskAsync(async () =>
    {
        var request = new GetObjectRequest { BucketName = bucket, Key = file.Location, EtagToMatch = file.ETag };
        if (offset > 0)
            request.ByteRange = new ByteRange(offset, (file.Size ?? long.MaxValue) - 1);
        var response = await client.GetObjectAsync(request, cancellationToken);
        return new RemoteContent(response.ResponseStream, response.HttpStatusCode == HttpStatusCode.PartialContent ? offset : 0, response);
    });

    public void Dispose() => client.Dispose();

    private async Task<List<string>> KeysBelowAsync(string prefix, CancellationToken cancellationToken)
    {
        var keys = new List<string>();
        var request = new ListObjectsV2Request { BucketName = bucket, Prefix = prefix };
        ListObjectsV2Response page;
        do
        {
            page = await client.ListObjectsV2Async(request, cancellationToken);
            // Consoles make empty objects that end with a slash to show a folder.
            keys.AddRange((page.S3Objects ?? []).Select(found => found.Key).Where(found => !found.EndsWith('/')));
            request.ContinuationToken = page.NextContinuationToken;
        }
        while (page.IsTruncated == true);
        return keys;
    }

    private async Task<RemoteFile> DescribeAsync(string name, string location, CancellationToken cancellationToken)
    {
        var request = new GetObjectMetadataRequest { BucketName = bucket, Key = location, ChecksumMode = ChecksumMode.ENABLED };
        var found = await client.GetObjectMetadataAsync(request, cancellationToken);
        return new RemoteFile(name, location)
        {
            Size = found.ContentLength,
            ETag = found.ETag,
            Digest = DigestOf(found.ChecksumSHA256),
        };
    }

    /// <summary>A checksum of the whole object; one of an object's parts (<c>…-3</c>) cannot be compared.</summary>
    internal static ContentDigest? DigestOf(string? base64)
    {
        byte[] bytes = new byte[33];
        return base64 is not null && Convert.TryFromBase64String(base64, bytes, out int length) && length == 32
            ? ContentDigest.FromHex(ContentDigest.Sha256, Convert.ToHexStringLower(bytes[..32]))
            : null;
    }

    private async Task<T> AskAsync<T>(Func<Task<T>> ask)
    {
        try
        {
            return await ask();
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.PreconditionFailed)
        {
            throw new DownloadException($"s3://{bucket}/{key} was changed while it was downloaded", retryable: true, e);
        }
        catch (AmazonServiceException e) when (e.StatusCode != 0)
        {
            string word = string.Join(": ", new[] { e.ErrorCode, e.Message }.Where(text => !string.IsNullOrEmpty(text)));
            var (message, retryable) = Refusal.Of($"s3://{bucket}/{key}", e.StatusCode, word, Credentials);
            throw new DownloadException(message, retryable, e);
        }
        catch (AmazonClientException e)
        {
            throw new DownloadException($"s3://{bucket}/{key}: {e.Message}; set {Credentials} in the Secret that spec.model.credentialsSecretRef names", retryable: false, e);
        }
        catch (Exception e) when (e is AmazonServiceException or HttpRequestException or IOException or TimeoutException)
        {
            throw new DownloadException($"s3://{bucket}/{key}: {client.Config.ServiceURL ?? "S3"} cannot be reached: {e.Message}", retryable: true, e);
        }
    }

    private static AmazonS3Config ConfigOf(Func<string, string?> environment)
    {
        string region = Variable("AWS_REGION") ?? Variable("AWS_DEFAULT_REGION") ?? "us-east-1";
        var config = new AmazonS3Config
        {
            // Tried again by ours, which tells why in the model's status.
            MaxErrorRetry = 0,
            Timeout = TimeSpan.FromSeconds(60),
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
        };
        if ((Variable("AWS_ENDPOINT_URL_S3") ?? Variable("AWS_ENDPOINT_URL")) is not { } endpoint)
        {
            config.RegionEndpoint = RegionEndpoint.GetBySystemName(region);
            return config;
        }
        if (!Uri.TryCreate(endpoint, UriKind.Absolute, out var parsed) || parsed.Scheme is not ("http" or "https"))
            throw new StorageException($"AWS_ENDPOINT_URL is '{endpoint}'; it must be the http(s) URL of an S3 server.");
        config.ServiceURL = endpoint;
        config.AuthenticationRegion = region;
        // Own servers seldom have a name for each bucket.
        config.ForcePathStyle = true;
        return config;

        string? Variable(string name) => environment(name) is { Length: > 0 } value ? value : null;
    }

    private static AWSCredentials? CredentialsOf(Func<string, string?> environment)
    {
        if (environment("AWS_NO_SIGN_REQUEST") is "true" or "1")
            return new AnonymousAWSCredentials();
        if (environment("AWS_ACCESS_KEY_ID") is not { Length: > 0 } id || environment("AWS_SECRET_ACCESS_KEY") is not { Length: > 0 } secret)
            return null;
        return environment("AWS_SESSION_TOKEN") is { Length: > 0 } session ? new SessionAWSCredentials(id, secret, session) : new BasicAWSCredentials(id, secret);
    }
}
